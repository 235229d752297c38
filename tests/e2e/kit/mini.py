"""A handset that is up in seconds: both personas are Debian's kernel with its own drivers, and for a system a busybox with
tests/e2e/guests/probe and courier, all in the initrd. Their userdata is a disk to work on."""
import functools
import os
import re
import shutil
import subprocess

from . import build, env
from .env import check, run, wait_until
from .flat import FLAT_AT, Guest
from .handset import Console
from .qmp import Qmp

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
MODULES = ("virtio_mmio", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "virtio_input", "evdev", "ext4")
TOOLS = os.path.join(env.O, "share", "mvp", "guest", "tools", "usr", "bin", "mvp-agent")
PASSCODE = "2580"
LONG_PASSCODE = "correct7horse9battery"  # one that a search of memory can look for
UNSIGNED = "master: keys/master.key"
SIGNED = UNSIGNED + ", oem: keys/oem.pem, enterprise: keys/enterprise.pem, orders: keys/orders.pub, escrow: keys/escrow.crt"
HOST = "10.0.2.2"  # as QEMU's network shows it
BOOT_S = 120
BARE_LEN = 5 << 18  # bytes that bare()'s kernel has at least: more than are read at once
CMDLINE = "quiet cryptomgr.notests"  # the kernel's tests of its ciphers take a seventh of a start
BARE_READY = "flat: waiting for a line"
COLOURS = {"personal": (0x2e, 0x7d, 0x32), "work": (0x15, 0x65, 0xc0)}

INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin PS1="$persona:/# " HOME=/
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
while read -r module; do insmod "$module" || echo "wrong: $module"; done </modules/list
hostname "$persona"
ip link set lo up
[ ! -e /sys/class/net/eth0 ] || ip link set eth0 up
for block in /sys/class/block/vda*; do
	grep -qx PARTNAME=userdata "$block/uevent" && ln -s "/dev/${block##*/}" /dev/userdata
done
while :; do setsid cttyhack sh; done
"""

DHCP = """#!/bin/busybox sh
[ "$1" != bound ] || { ip addr add "$ip/$mask" dev "$interface" && ip route add default via "${router%% *}" dev "$interface"; }
"""

MANIFEST = """mvp: 1
name: mini
version: 0.1.0
board: {board}
oem: [{oem}]
keys: {{{keys}}}
hypervisor: {{console: prefixed{hypervisor}}}
personas:
  personal:
    memory: {personal_memory} MiB
    cpus: 2
    boot: {{kernel: "file:{personal_kernel}", initrd: {personal_initrd}, cmdline: "{cmdline} persona=personal"}}
    userdata: {{size: {userdata} MiB}}
    color: "#2e7d32"
    {personal}
  work:
    memory: {memory} MiB
    cpus: 2
    boot: {{kernel: "file:{kernel}", initrd: {initrd}, cmdline: "{cmdline} persona=work"}}
    userdata: {{size: {userdata} MiB}}
    color: "#1565c0"
    {work}
    encryption:
      passcode: {{file: keys/passcode, tries: 10, iterations: {iterations}}}
{policy}"""


def _tool(name, folder):
    """Compiles one of the guest's programs into the folder."""
    run([CROSS + "gcc", "-O2", "-std=c17", "-D_GNU_SOURCE", "-static", "-s", "-Wall", "-Wextra", "-Werror",
         "-I" + os.path.join(env.ROOT, "vmm", "include"), "-o", os.path.join(folder, name),
         os.path.join(env.ROOT, "tests", "e2e", "guests", name, name + ".c")])


def _make_initrd(folder):
    root = os.path.join(folder, "root")
    deb, = (os.path.join(env.INPUTS, "personal", n) for n in os.listdir(os.path.join(env.INPUTS, "personal")) if n.startswith("busybox"))
    run(["dpkg-deb", "-x", deb, os.path.join(folder, "busybox")])
    for name in ("bin", "dev", "proc", "sys", "tmp", "run", "var/lib", "modules"):
        os.makedirs(os.path.join(root, name))
    shutil.copy(os.path.join(folder, "busybox", "bin", "busybox"), os.path.join(root, "bin"))
    for tool in ("probe", "courier"):
        _tool(tool, os.path.join(root, "bin"))
    shutil.copy(TOOLS, os.path.join(root, "bin"))
    os.symlink("mvp-agent", os.path.join(root, "bin", "mvp-notify"))
    needed = build.kernel_modules(build.debian_kernel("personal"), MODULES)
    for path in needed:
        shutil.copy(path, os.path.join(root, "modules"))
    names = "".join(f"/modules/{os.path.basename(path)}\n" for path in needed)
    for name, text, mode in (("modules/list", names, 0o644), ("init", INIT, 0o755), ("dhcp", DHCP, 0o755)):
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(os.path.join(root, name), mode)
    subprocess.run("find . | cpio --quiet -o -H newc > ../initrd", shell=True, check=True, cwd=root)


def initrd():
    """(kernel, initrd)."""
    return build.debian_kernel("personal"), os.path.join(env.shared("mini-initrd", _make_initrd), "initrd")


def take_keys(folder):
    """Puts those of `mvpctl keys init` into a folder `keys` below. They are the same for all: it takes seconds to find primes."""
    made = env.shared("keys", lambda shared: run([env.MVPCTL, "-q", "keys", "init", os.path.join(shared, "keys")]))
    shutil.copytree(os.path.join(made, "keys"), os.path.join(folder, "keys"))


def disk(name, **words):
    """A flash image, for this worker alone. Delete it with its folder when it is no longer needed."""
    return make(env.fresh("mini", name), **words)


def make(where, *, board="qemu-virt", oem="generic", hypervisor="", personal="network: nat", work="network: nat", policy="", memory=256,
         userdata=32, formats=("disk",), keys=UNSIGNED, passcode=PASSCODE, iterations=1000, kernel=None, personal_kernel=None,
         personal_memory=None):
    """A flash image in an empty folder; the words go into the manifest, memory and userdata in MiB. Other formats lie beside it. kernel: of
    both personas, instead of Linux; personal_kernel: of one."""
    def boot(file):
        file, ramdisk = (file, None) if file else initrd()
        return file, f'"file:{ramdisk}"' if ramdisk else "none"
    (kernel, ramdisk), (personal_kernel, personal_ramdisk) = boot(kernel), boot(personal_kernel or kernel)
    take_keys(where)
    with open(os.path.join(where, "keys", "passcode"), "w", encoding="utf-8") as f:
        f.write(passcode)
    with open(os.path.join(where, "mini.yaml"), "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(board=board, oem=oem, keys=keys, memory=memory, userdata=userdata, kernel=kernel, initrd=ramdisk,
                                cmdline=CMDLINE, personal_kernel=personal_kernel, personal_initrd=personal_ramdisk,
                                personal_memory=personal_memory or memory, hypervisor=hypervisor, personal=personal, work=work,
                                policy=policy, iterations=iterations))
    run([env.MVPCTL, "build", "-q", *(f"--format={f}" for f in formats), "-o", os.path.join(where, "out"),
         os.path.join(where, "mini.yaml")])
    return _image(where)


def _image(where):
    name, = (n for n in os.listdir(os.path.join(where, "out")) if n.endswith(".img"))
    return os.path.join(where, "out", name)


def signed():
    """An image whose personas are verified, the flash of a device that is not provisioned yet. Do not write to it: copy it."""
    return _image(env.shared("signed", lambda folder: make(folder, keys=SIGNED, passcode=LONG_PASSCODE)))


def bare():
    """Words for disk(): bare-metal programs as personas, for tests of what starts these. They come up at once and say BARE_READY."""
    folder = env.shared("bare", lambda shared: Guest(shared, "guest", FLAT_AT, BARE_LEN).flat())
    return {"kernel": os.path.join(folder, "guest.bin"), "memory": 32}


def bare_signed():
    """signed() with such personas."""
    return _image(env.shared("bare-signed", lambda folder: make(folder, keys=SIGNED, passcode=LONG_PASSCODE, **bare())))


def keys_folder(image):
    """The folder with the keys that an image of disk() was built with."""
    return os.path.join(os.path.dirname(os.path.dirname(image)), "keys")


@functools.cache
def built():
    """The image that most tests use, both personas with a network. What they write to userdata stays."""
    image = os.path.join(env.fresh("mini", "common"), "flash.img")
    env.copy_sparse(_image(env.shared("common", make)), image)
    return image


class Mini(Console):
    """A handset made by disk(), with QEMU's machine protocol beside its console."""

    def __init__(self, image, log, *, smp=2, options=()):
        where = env.fresh("mini-run", log)
        # The path of a socket has to be short.
        self.socket_folder = env.short_folder()
        path = os.path.join(self.socket_folder, "q")
        self.pictures = os.path.join(where, "screen.ppm")
        self.qmp = None
        super().__init__([env.MVPCTL, "run", "--headless", "--smp", str(smp), f"--qmp=unix:{path}", *options, image],
                         os.path.join(env.WORK, "log", log + ".log"), True)
        try:
            self.qmp = Qmp(path)
        except BaseException:
            self.kill()
            raise

    def personal_ready(self):
        self.expect("personal", "^personal:/# ", BOOT_S)

    def work_ready(self):
        self.expect("work", "^work:/# ", BOOT_S)

    def both_ready(self, passcode=PASSCODE):
        self.personal_ready()
        self.unlock(passcode)
        self.work_ready()

    def unlock(self, passcode=PASSCODE):
        """Gives the passcode as soon as it is asked for."""
        wait_until(lambda: self.said("mvp", r"^work: locked\n"), BOOT_S, "work is locked")
        self.send("mvp", f"unlock {passcode}")

    def screen(self):
        return self.qmp.screen(self.pictures)

    def front(self):
        """Who is in front."""
        self.send("mvp", "status")
        return self.expect("mvp", r"^status front (\w+)\n")[1]

    def wait_front(self, persona, what, seconds=20):
        """Until the persona is in front. A key of the board's keyboard may come behind a line typed later, when the host is busy."""
        wait_until(lambda: self.front() == persona, seconds, f"{persona} is not in front {what}")

    def lease(self, persona):
        """Gets an address by DHCP and returns it."""
        self.sh(persona, "udhcpc -i eth0 -n -q -s /dhcp", 60)
        shown = self.sh(persona, "ip -4 addr show dev eth0")
        match = re.search(r"inet (\d+\.\d+\.\d+\.\d+)/", shown)
        check(match, f"{persona} got no address:\n{shown}")
        return match[1]

    def _forget(self):
        super()._forget()
        if self.qmp:
            self.qmp.close()
        shutil.rmtree(self.socket_folder, ignore_errors=True)

"""The machines that are compared: the same kernel and initrd on each, under QEMU's instruction counter, where one instruction takes 1 ns of
virtual time and idle time is jumped over."""
import functools
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from kit import env  # noqa: E402
from kit.env import Failure, check, run  # noqa: E402
from kit.handset import Console  # noqa: E402

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
CPU = "cortex-a72"
CPUS = 2
MEMORY_MIB = 512
CONSOLE = "console=ttyAMA0"
# All CPUs take turns in one thread of QEMU, each until the next event of virtual time. A CPU that spins for another would have the turn for
# 100 ms of it; the timer of this idle packet filter makes turns end every 100 us, and costs no instruction.
TURNS = ["-netdev", "hubport,id=turns,hubid=0", "-object", "filter-buffer,id=turn,netdev=turns,interval=100"]
COUNTER = ["-icount", "shift=0,sleep=off", *TURNS]
GUEST_FLAGS = ["-O2", "-std=c17", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-mgeneral-regs-only", "-Wall", "-Wextra",
               "-Werror", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]
LINUX_FLAGS = ["-O2", "-std=c17", "-D_GNU_SOURCE", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
WORK = os.path.join(env.O, "bench")
BENCH_INPUTS = os.path.join(WORK, "inputs")  # tests/bench/inputs.list


class Guest:
    """What is booted: an arm64 Image, an initrd or None, and a command line. `end` is the pattern of the last line that it prints."""

    def __init__(self, name, kernel, initrd=None, cmdline="", end=r"bench: done"):
        self.name, self.kernel, self.initrd, self.cmdline, self.end = name, kernel, initrd, cmdline, end


def folder(*parts):
    """An empty folder below $O/bench."""
    path = os.path.join(WORK, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@functools.cache
def bare_guest(name, *defines):
    """Compiles tests/bench/guest/NAME.c."""
    out = folder("guest", name + "".join(defines))
    elf, image = os.path.join(out, name + ".elf"), os.path.join(out, name)
    sources = [os.path.join(HERE, "guest", file) for file in ("start.S", name + ".c")]
    run([CROSS + "gcc", *GUEST_FLAGS, *defines, "-T", os.path.join(HERE, "guest", "guest.ld"), "-o", elf, *sources])
    run([CROSS + "objcopy", "-O", "binary", elf, image])
    return Guest(name, image)


def pack(root, archive):
    """The folder as a cpio archive that a kernel takes for an initrd."""
    names = sorted(os.path.relpath(os.path.join(at, name), root) for at, folders, files in os.walk(root) for name in folders + files)
    with open(archive, "wb") as f:
        command = [env.program("cpio"), "--quiet", "-o", "-H", "newc"]
        subprocess.run(command, input="\n".join(names).encode(), stdout=f, cwd=root, check=True)


def linux_kernel():
    return _file(env.INPUTS, "personal", "boot/vmlinuz-*")


def linux_tree():
    """The kernel's package, unpacked, with all modules."""
    return _tree(env.INPUTS, "personal")


@functools.cache
def linux_guest():
    """Debian's kernel and an initrd that is one program, linux/init.c."""
    out = folder("guest", "linux")
    root = os.path.join(out, "root")
    os.makedirs(root)
    run([CROSS + "gcc", *LINUX_FLAGS, "-o", os.path.join(root, "init"), os.path.join(HERE, "linux", "init.c")])
    initrd = os.path.join(out, "initrd")
    pack(root, initrd)
    return Guest("linux", linux_kernel(), initrd, "quiet nokaslr norandmaps", end=r"bench: (done|failed)")


@functools.cache
def _tree(inputs, name):
    """The Debian packages of the folder INPUTS/NAME, unpacked."""
    out = folder("debian", name)
    debs = glob.glob(os.path.join(inputs, name, "*.deb"))
    check(debs, f"no packages in {inputs}/{name}: make bench fetches them")
    for deb in debs:
        run(["dpkg-deb", "-x", deb, out])
    return out


def _file(inputs, name, pattern):
    """The one file in them that fits."""
    tree = _tree(inputs, name)
    found = glob.glob(os.path.join(tree, pattern))
    check(len(found) == 1, f"{len(found)} files of {inputs}/{name} match {pattern}")
    return found[0]


def _console(side, guest, command, prefixed=False):
    return Console(command, os.path.join(WORK, "log", f"{side}-{guest.name}.log"), prefixed)


def _to_the_end(console, guest, source, timeout):
    with console:
        console.expect(source, guest.end, timeout)
        return console.text[source]


def _qemu(machine, *arguments):
    return [env.program("qemu-system-aarch64"), "-M", machine, "-cpu", CPU, "-smp", str(CPUS), "-nographic", "-no-reboot", "-nic", "none",
            *COUNTER, *arguments]


def _boot(guest):
    initrd = ["-initrd", guest.initrd] if guest.initrd else []
    return ["-kernel", guest.kernel, *initrd, "-append", f"{CONSOLE} {guest.cmdline}"]


def native(guest, timeout):
    """Bare QEMU, at EL1, nothing below."""
    command = _qemu("virt,gic-version=3", "-m", f"{MEMORY_MIB}M", "-global", "virtio-mmio.force-legacy=false", *_boot(guest))
    return _to_the_end(_console("native", guest, command), guest, "", timeout)


MANIFEST = """mvp: 1
name: bench
version: 1.0.0
board: qemu-virt
oem: [generic]
keys: {{master: keys/master.key}}
hypervisor: {{console: prefixed}}
personas:
  personal:
    memory: {memory} MiB
    cpus: {cpus}
    boot: {{kernel: "file:{kernel}", initrd: {initrd}, cmdline: "{cmdline}"}}
    network: none
  work:
    memory: 64 MiB
    cpus: {cpus}
    boot: {{kernel: "file:{kernel}", initrd: none}}
    network: none
    encryption:
      passcode: {{file: keys/passcode, tries: 10}}
"""


def handset_disk(guest, **environment):
    """A handset whose personal persona is the guest, built by mvpctl. The work persona is there and stays locked."""
    where = folder("handset", guest.name)
    run([env.MVPCTL, "-q", "keys", "init", os.path.join(where, "keys")])
    with open(os.path.join(where, "keys", "passcode"), "w", encoding="utf-8") as f:
        f.write("2580")
    with open(os.path.join(where, "bench.yaml"), "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(memory=MEMORY_MIB, cpus=CPUS, kernel=guest.kernel, cmdline=guest.cmdline,
                                initrd=f'"file:{guest.initrd}"' if guest.initrd else "none"))
    out = os.path.join(where, "out")
    run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, os.path.join(where, "bench.yaml")],
        env=dict(os.environ, **environment))
    disk, = (os.path.join(out, name) for name in os.listdir(out) if name.endswith(".img"))
    return disk


def handset_command(disk, *options):
    return [env.MVPCTL, "run", "--headless", "--cpu", CPU, "--smp", str(CPUS), *(f"--qemu-arg={word}" for word in COUNTER), *options, disk]


def ours(guest, timeout):
    """The handset."""
    disk = handset_disk(guest)
    text = _to_the_end(_console("ours", guest, handset_command(disk), prefixed=True), guest, "personal", timeout)
    os.unlink(disk)
    return text


XEN_RAM = 1024
XEN_KERNEL, XEN_INITRD = 0x49000000, 0x4d000000  # clear of Xen itself and of the device tree at 0x48000000


def xen(guest, timeout):
    """Debian's Xen; the guest is domain 0, whose memory, interrupts and UART are the machine's own. No `dtuart`: Xen leaves that to it."""
    image = _file(BENCH_INPUTS, "xen", "boot/xen-*-arm64")
    command = _qemu("virt,virtualization=on,gic-version=3", "-m", f"{XEN_RAM}M", "-kernel", image,
                    "-append", f"dom0_mem={MEMORY_MIB}M dom0_max_vcpus={CPUS} dtuart=none",
                    "-device", f"guest-loader,addr={XEN_KERNEL:#x},kernel={guest.kernel},bootargs={CONSOLE} {guest.cmdline}",
                    *(["-device", f"guest-loader,addr={XEN_INITRD:#x},initrd={guest.initrd}"] if guest.initrd else []))
    return _to_the_end(_console("xen", guest, command), guest, "", timeout)


KVM_RAM = 1024
KVM_INNER_MIB = 128
KVM_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc /sys /tmp
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
[ -c /dev/kvm ] || echo 'bench: failed: no /dev/kvm'
/usr/bin/qemu-system-aarch64 -M virt,gic-version=3 -cpu host -accel kvm -smp {cpus} -m {memory} -nic none -display none -monitor none \\
	-serial stdio -no-reboot -kernel /guest </dev/null
echo "bench: failed: the inner QEMU ended with $?"
/bin/busybox sleep 1000000
"""


def _libraries(tree, program):
    """The program's shared libraries and its loader, of a tree of unpacked packages, with their links: paths within the tree."""
    places = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib", "usr/lib", "usr/lib/aarch64-linux-gnu/pulseaudio"]
    todo, found = [program], {"lib/ld-linux-aarch64.so.1"}
    while todo:
        shown = run([CROSS + "readelf", "-d", os.path.join(tree, todo.pop())]).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", shown):
            path = next((os.path.join(p, name) for p in places if os.path.exists(os.path.join(tree, p, name))), None)
            check(path, f"no package in {BENCH_INPUTS}/kvm has {name}")
            if path not in found:
                found.add(path)
                todo.append(path)
    return sorted(found)


def _kvm_initrd(guest):
    out = folder("guest", "kvm-" + guest.name)
    root = os.path.join(out, "root")
    program = "usr/bin/qemu-system-aarch64"
    tree = _tree(BENCH_INPUTS, "kvm")
    for path in [program, *_libraries(tree, program)]:
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        shutil.copy(os.path.join(tree, path), os.path.join(root, path))
    os.makedirs(os.path.join(root, "bin"))
    shutil.copy(_file(env.INPUTS, "personal", "bin/busybox"), os.path.join(root, "bin"))
    shutil.copy(guest.kernel, os.path.join(root, "guest"))
    with open(os.path.join(root, "init"), "w", encoding="utf-8") as f:
        f.write(KVM_INIT.format(cpus=CPUS, memory=KVM_INNER_MIB))
    os.chmod(os.path.join(root, "init"), 0o755)
    initrd = os.path.join(out, "initrd")
    pack(root, initrd)
    shutil.rmtree(root)
    return initrd


def kvm(guest, timeout):
    """KVM of Debian's kernel at EL2 (the CPU has no VHE), QEMU in its user space. For guests without an initrd."""
    check(not guest.initrd, "KVM is measured with bare guests only")
    host = Guest(guest.name, linux_kernel(), _kvm_initrd(guest), "quiet nokaslr", end=guest.end + "|bench: failed")
    command = _qemu("virt,virtualization=on,gic-version=3", "-m", f"{KVM_RAM}M", *_boot(host))
    return _to_the_end(_console("kvm", guest, command), host, "", timeout)


SIDES = {"native": native, "ours": ours, "xen": xen, "kvm": kvm}


def parse(text):
    """{name: (ticks, count)} from the lines `bench: NAME TICKS COUNT` of a guest."""
    check(not re.search(r"^bench: (fault|failed|cpu-on-refused|the second CPU)", text, re.M), "the guest failed:\n" + text[-1500:])
    return {name: (int(ticks), int(count)) for name, ticks, count in re.findall(r"^bench: (\S+) (\d+) (\d+)$", text, re.M)}


def instructions_per_tick(report):
    """Of the virtual counter: an instruction takes 1 ns."""
    return 1e9 / report["frequency"][0]


def preface():
    version = run(["qemu-system-aarch64", "--version"]).stdout.splitlines()[0]
    kernel = os.path.basename(linux_guest().kernel).removeprefix("vmlinuz-")
    return f"""# What the hypervisor costs

Made by `make bench MARKDOWN=tests/bench/RESULTS.md` with {version} and Linux {kernel}, the same kernel and
initrd on each side:

    qemu-system-aarch64 -cpu {CPU} -smp {CPUS} {" ".join(COUNTER)}

One instruction takes 1 ns of virtual time and idle time is jumped over, so the figures are counts of instructions, whatever machine
counts them. `native` is QEMU's `virt` with nothing below the guest; `ours` the handset with the guest as its personal persona and the work
persona locked; `xen` Debian's Xen with the guest as domain 0; `kvm` Debian's kernel at EL2 and its QEMU in user space.

"""

"""Builds of the demo handset, each made once per run, and a flash image that has been used."""
import functools
import glob
import json
import os
import re
import shutil

from . import env, gpt
from .env import check, run
from .handset import Handset

PASSCODE_FILE = os.path.join(env.DEMO, "keys", "demo.passcode")
PROFILE = {"prefixed": "demo-prefixed.yaml", "mux": "demo.yaml"}


class Built:
    """A folder with a build's outputs and what the build said of itself."""

    def __init__(self, folder, events):
        self.folder, self.events = folder, events
        self.disk = self._only("*.img")
        self.zip = self._only("*-factory-*.zip")

    def _only(self, pattern):
        found = glob.glob(os.path.join(self.folder, pattern))
        check(len(found) == 1, f"{self.folder}: {len(found)} files match {pattern}")
        return found[0]

    def parts(self):
        return gpt.read(self.disk)

    def event(self, kind):
        found = [e for e in self.events if e.get("event") == kind]
        check(len(found) == 1, f"the build reported {len(found)} events '{kind}'")
        return found[0]


def manifest(console="prefixed"):
    return os.path.join(env.DEMO, PROFILE[console])


def passcode():
    with open(PASSCODE_FILE, "rb") as f:
        return f.read()


def build(folder, console="prefixed", *options, **kwargs):
    done = run([env.MVPCTL, "build", "--json", "-o", folder, *options, manifest(console)], **kwargs)
    return Built(folder, [json.loads(line) for line in done.stdout.splitlines() if line])


@functools.cache
def built(console="prefixed"):
    """Do not write to it: copy it."""
    def make(folder):
        made = build(os.path.join(folder, "out"), console)
        with open(os.path.join(folder, "events"), "w", encoding="utf-8") as f:
            json.dump(made.events, f)
    folder = env.shared("built-" + console, make)
    with open(os.path.join(folder, "events"), encoding="utf-8") as f:
        return Built(os.path.join(folder, "out"), json.load(f))


def compiled_cache(folder):
    """Makes the folder a cache that has the hypervisor's objects and nothing else: compiling is most of a small build, and not what those
    tests are about that build with a cache of their own. Returns the folder."""
    built()
    objects = os.path.join(os.environ["XDG_CACHE_HOME"], "mvp", "object")
    os.makedirs(os.path.join(folder, "mvp"))
    shutil.copytree(objects, os.path.join(folder, "mvp", "object"))
    return folder


class Used:
    """A flash image after a session in which both personas wrote a file of random bytes to /data. Do not write to it: copy it."""

    def __init__(self, disk, files):
        self.disk, self.files = disk, files


def write_random_file(handset, persona, name, kib=192):
    """Returns the file's SHA-256."""
    handset.sh(persona, f"dd if=/dev/urandom of=/data/{name} bs=1024 count={kib} 2>/dev/null && sync")
    return digest_in(handset, persona, name)


def digest_in(handset, persona, name):
    return handset.sh(persona, f"sha256sum /data/{name}").split()[0]


@functools.cache
def used():
    folder = env.shared("used", _use)
    with open(os.path.join(folder, "files"), encoding="utf-8") as f:
        return Used(os.path.join(folder, "flash.img"), json.load(f))


def _use(folder):
    disk = os.path.join(folder, "flash.img")
    env.copy_sparse(built().disk, disk)
    files = {}
    with Handset(disk, "used") as handset:
        handset.personal_ready()
        handset.unlock(passcode().decode())
        for persona in ("personal", "work"):
            files[persona] = write_random_file(handset, persona, "random")
            # Text that a search of the flash can look for.
            handset.sh(persona, f"for i in 1 2 3 4 5 6 7 8; do echo 'minutes of the {persona} meeting'; done >/data/minutes; sync")
        # The last persona's power-off is the handset's.
        for persona in ("work", "personal"):
            handset.send(persona, "poweroff")
            handset.expect("mvp", rf"{persona}: off", 60)
        check(handset.wait() == 0, "the handset did not end well after both personas were off")
    with open(os.path.join(folder, "files"), "w", encoding="utf-8") as f:
        json.dump(files, f)


def plain_work_disk(disk):
    """The work disk of a flash image, decrypted by cryptsetup itself without the kernel's help. Returns the path."""
    part = gpt.read(disk)["work"]
    folder = env.fresh("plain")
    target, header = os.path.join(folder, "work.img"), os.path.join(folder, "header")
    env.copy_range(disk, part.at, part.length, target)
    run(["cryptsetup", "reencrypt", "--decrypt", "--force-offline-reencrypt", "--batch-mode", "--header", header, "--key-file", PASSCODE_FILE,
         target])
    return target


def zip_images(path, folder):
    """The images of a factory zip by partition, expanded by simg2img where they are sparse."""
    run(["unzip", "-qo", path, "-d", folder])
    inner = glob.glob(os.path.join(folder, "*", "image-*.zip"))
    check(len(inner) == 1, f"{path} has {len(inner)} update packages")
    images = os.path.join(folder, "images")
    os.makedirs(images)
    run(["unzip", "-tqq", inner[0]])
    run(["unzip", "-qo", inner[0], "-d", images])
    names = os.listdir(images)
    check("android-info.txt" in names, f"the update package holds {names}")
    found = {}
    for name in sorted(n for n in names if n.endswith(".img")):
        image = os.path.join(images, name)
        with open(image, "rb") as f:
            sparse = f.read(4) == b"\x3a\xff\x26\xed"
        if sparse:
            run(["simg2img", image, image + ".raw"])
            os.replace(image + ".raw", image)
        found[name[:-4]] = image
    check(found, f"{path} has no images")
    return found


@functools.cache
def debian_kernel(inputs):
    """The kernel image in the package that a persona is made of, unpacked by dpkg-deb, beside its modules and what depmod says of them. The
    inputs mostly have the same package, and it is a large one."""
    deb, = glob.glob(os.path.join(env.INPUTS, inputs, "linux-image-*.deb"))

    def unpack(folder):
        run(["dpkg-deb", "-x", deb, folder])
        run(["depmod", "-b", folder, os.path.basename(kernel_in(folder)).removeprefix("vmlinuz-")])

    def kernel_in(folder):
        kernel, = glob.glob(os.path.join(folder, "boot", "vmlinuz-*"))
        return kernel
    return kernel_in(env.shared("debian-kernel-" + env.sha256(deb)[:16], unpack))


def kernel_modules(kernel, names):
    """The files of these modules of a debian_kernel(), and of those that they need, in the order in which they can be loaded."""
    tree, release = os.path.dirname(os.path.dirname(kernel)), os.path.basename(kernel).removeprefix("vmlinuz-")
    found = []
    for name in names:
        shown = run(["modprobe", "-d", tree, "-S", release, "--show-depends", name]).stdout
        found += [path for path in re.findall(r"^insmod (\S+)", shown, re.M) if path not in found]
    return found

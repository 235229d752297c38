"""Everything that was made opens in the tools its users have."""
import os
import re
import struct

from kit import build, env, gpt
from kit.cases import cases
from kit.env import check, check_equal, run

HANDSET_PARTS = ["boot", "personal", "work", "vbmeta", "mvp_keys", "mvp_state"]
OWN_PARTS = ["mvp_keys", "mvp_state"]  # the device's: a package that is flashed again must not take its identity away
PERSONA_PARTS = ["boot", "vbmeta", "system", "userdata"]


def _sgdisk_names(path):
    """The names that sgdisk reads. It makes a table up where there is none and calls it good, so its word alone is not enough."""
    verify = run(["sgdisk", "-v", path])
    check("Creating new GPT" not in verify.stdout + verify.stderr, f"sgdisk found no partition table in {path}")
    check("No problems found" in verify.stdout, f"sgdisk -v {path}:\n{verify.stdout}")
    numbers = re.findall(r"^ +(\d+) ", run(["sgdisk", "-p", path]).stdout, re.M)
    return [re.search(r"^Partition name: '(.*)'$", run(["sgdisk", "-i", n, path]).stdout, re.M)[1] for n in numbers]


def _extract(disk, part, name):
    path = os.path.join(env.fresh("extracted", name), name + ".img")
    env.copy_range(disk, part.at, part.length, path)
    return path


def _persona_disk(persona, disk):
    if persona == "work":
        return build.plain_work_disk(disk)
    return _extract(disk, gpt.read(disk)["personal"], "personal")


def test_gpt_of_the_handset():
    disk = build.built().disk
    names = _sgdisk_names(disk)
    check_equal(names, list(gpt.read(disk)), "names by sgdisk and by our reader")
    for name in HANDSET_PARTS:
        check(name in names, f"no partition '{name}' among {names}")


def test_sgdisk_sees_damage():
    """The positive control: a table with one wrong byte is not called good."""
    path = os.path.join(env.fresh("damaged"), "flash.img")
    env.copy_sparse(build.built().disk, path)
    with open(path, "r+b") as f:
        f.seek(2 * 512 + 40)
        byte = f.read(1)
        f.seek(2 * 512 + 40)
        f.write(bytes([byte[0] ^ 1]))
    verify = run(["sgdisk", "-v", path], status=None)
    check("No problems found" not in verify.stdout, "sgdisk calls a damaged table good")
    os.unlink(path)


PERSONAS = {"personal": ("personal",), "work": ("work",)}


@cases(**PERSONAS)
def test_persona_disk(persona):
    """Its partitions, its file systems after use, and its boot image with the kernel that Debian ships."""
    disk = _persona_disk(persona, build.used().disk)
    parts = gpt.read(disk)
    check_equal(list(parts), PERSONA_PARTS, f"partitions of the {persona} disk")
    # sgdisk reads the table of a file to its end; a persona's partition may be larger than its disk.
    end = max(p.at + p.length for p in parts.values()) + 33 * 512
    with open(disk, "r+b") as f:
        f.seek(512 + 32)
        last = struct.unpack("<Q", f.read(8))[0]
        f.truncate(max(end, (last + 1) * 512))
    check_equal(_sgdisk_names(disk), PERSONA_PARTS, "names by sgdisk")
    for name in ("system", "userdata"):
        image = _extract(disk, parts[name], f"{persona}-{name}")
        run(["e2fsck", "-fn", image])
        listing = run(["debugfs", "-R", "ls -p /", image]).stdout
        check(("/etc/" if name == "system" else "/random/") in listing, f"{persona} {name}: not in its root folder:\n{listing}")
    motd = run(["debugfs", "-R", "cat /etc/motd", _extract(disk, parts["system"], "system")]).stdout
    with open(os.path.join(env.ROOT, "templates", "personas", persona, "etc", "motd")) as f:
        check_equal(motd, f.read(), f"{persona}: /etc/motd")
    boot = _unpack_boot(_extract(disk, parts["boot"], "boot"))
    check_equal(env.sha256(os.path.join(boot, "kernel")), env.sha256(build.debian_kernel(persona)), f"{persona}: kernel in its boot image")
    listing = env.run(["sh", "-c", "cpio -it --quiet < \"$1\"", "sh", os.path.join(boot, "ramdisk")]).stdout.split()
    check("init" in listing and any(n.endswith("virtio_blk.ko") for n in listing), f"{persona}: its initial RAM disk holds {listing[:40]}")


def _unpack_boot(image):
    out = env.fresh("unpacked")
    text = run(["unpack_bootimg", "--boot_img", image, "--out", out]).stdout
    check(re.search(r"^boot image header version: [34]$", text, re.M), f"unpack_bootimg:\n{text}")
    return out


def test_boot_image_of_the_handset():
    built = build.built()
    out = _unpack_boot(_extract(built.disk, built.parts()["boot"], "boot"))
    with open(os.path.join(out, "kernel"), "rb") as f:
        head = f.read(64)
    check_equal(head[56:60], b"ARM\x64", "magic of the arm64 kernel header of the hypervisor")
    kind = run(["file", "-b", os.path.join(out, "kernel")]).stdout
    check("ARM64 boot executable Image" in kind, f"file says of the hypervisor: {kind}")


def test_factory_zip():
    """Each image, expanded by simg2img, is the disk image's partition."""
    built = build.built()
    run(["unzip", "-tqq", built.zip])
    folder = env.fresh("zip")
    images = build.zip_images(built.zip, folder)
    parts = built.parts()
    check_equal(sorted(images), sorted(set(parts) - set(OWN_PARTS)), "images of the factory zip")
    for name, path in images.items():
        part, length = parts[name], os.path.getsize(path)
        check(length <= part.length, f"{name}: {length} bytes in the zip, a partition of {part.length}")
        check_equal(env.sha256(path), env.sha256(built.disk, part.at, length), f"{name}: image in the zip and partition on the disk")
        with open(built.disk, "rb") as f:
            f.seek(part.at + length)
            rest = part.length - length
            while rest > 0:
                data = f.read(min(rest, 1 << 20))
                check(data.count(0) == len(data), f"{name}: the disk image has content that the zip has not")
                rest -= len(data)

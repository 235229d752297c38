"""A plain Debian guest under plain QEMU whose dm-crypt reads a work container, or whose ext4 a file system. Made with dpkg-deb, depmod,
modprobe and cpio from Debian's packages: nothing of ours is in it but a program that lists what the kernel says."""
import glob
import os
import re
import shutil
import subprocess

from . import build, env
from .env import Failure, check, run

MODULES = ["virtio_mmio", "virtio_blk", "dm_mod", "dm_crypt", "xts", "aes_generic", "aes_ce_blk", "sha256_generic", "af_alg",
           "algif_skcipher", "ext4", "loop"]

START = r"""#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /run /tmp /mnt
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
while read -r module; do insmod "$module" || echo "ORACLE warning: $module"; done </modules.load
stop() { echo "ORACLE end: $*"; sync; poweroff -f; sleep 60; }
tries=0
until [ -b /dev/vda ]; do tries=$((tries + 1)); [ $tries -lt 100 ] || stop "no disk"; sleep 0.1; done
"""

# Everything in a file system, as this kernel shows it.
LIST = START + r"""
mount -t ext4 -o ro,noload /dev/vda /mnt || stop "mount"
/list /mnt || stop "list"
find /mnt -type f -print0 | xargs -0 sha256sum | sed 's/^/ORACLE sum: /'
stop done
"""

# Finds the container by the partition's name, opens it, walks the GPT inside, mounts userdata and prints digests of its files.
INIT = START + r"""
container=
for uevent in /sys/class/block/vda*/uevent; do
	grep -qx "PARTNAME=work" "$uevent" && container=/dev/$(sed -n 's/^DEVNAME=//p' "$uevent")
done
[ -n "$container" ] || stop "no partition is named work"
cryptsetup open --disable-locks --readonly --key-file /passcode "$container" plain || stop "cryptsetup refused"
dmsetup table plain | sed 's/^\(\S* \S* \S* \S*\) .*/ORACLE table: \1/'
number() { od -An -t u8 -j "$1" -N 8 /dev/mapper/plain | tr -d ' '; }
i=0
at=
while [ $i -lt 128 ]; do
	entry=$((1024 + i * 128))
	name=$(dd if=/dev/mapper/plain bs=1 skip=$((entry + 56)) count=72 2>/dev/null | tr -d '\000')
	[ "$name" = userdata ] && at=$(($(number $((entry + 32))) * 512))
	[ -z "$name" ] && break
	echo "ORACLE partition: $name"
	i=$((i + 1))
done
[ -n "$at" ] || stop "the work disk has no userdata"
losetup -r -o "$at" /dev/loop0 /dev/mapper/plain || stop "losetup"
mount -t ext4 -o ro,noload /dev/loop0 /mnt || stop "mount"
for file in /mnt/*; do
	[ -f "$file" ] && echo "ORACLE file: $(basename "$file") $(sha256sum <"$file" | cut -d' ' -f1)"
done
stop done
"""


def _initrd(folder, init, files):
    """Returns (kernel, initrd). files: {name: (content, mode)}."""
    root = os.path.join(folder, "root")
    debs = [deb for deb in glob.glob(os.path.join(env.INPUTS, "oracle", "*.deb")) if not os.path.basename(deb).startswith("linux-image-")]
    check(debs, "no packages in inputs/oracle: make inputs")
    for deb in debs:
        run(["dpkg-deb", "-x", deb, root])
    kernel = build.debian_kernel("oracle")
    os.makedirs(os.path.join(root, "modules"))
    names = []
    for path in build.kernel_modules(kernel, MODULES):
        shutil.copy(path, os.path.join(root, "modules"))
        names.append("/modules/" + os.path.basename(path))
    own = {"modules.load": (("\n".join(names) + "\n").encode(), 0o644), "init": (init.encode(), 0o755)}
    for name, (content, mode) in {**own, **files}.items():
        with open(os.path.join(root, name), "wb") as f:
            f.write(content)
        os.chmod(os.path.join(root, name), mode)
    initrd = os.path.join(folder, "initrd")
    # Not compressed: the simulated machine would be slow at it.
    subprocess.run("find . | cpio --quiet -o -H newc > ../initrd", shell=True, check=True, cwd=root)
    shutil.rmtree(root)
    return kernel, initrd


def _boot(disk, init, files, log):
    """What the guest says, as bytes without carriage returns; the disk stays as it is."""
    folder = env.fresh("oracle")
    kernel, initrd = _initrd(folder, init, files)
    command = [env.program("qemu-system-aarch64"), "-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", "1G", "-nographic",
               "-no-reboot", "-net", "none", "-kernel", kernel, "-initrd", initrd,
               "-append", "console=ttyAMA0 quiet panic=-1 cryptomgr.notests",
               "-global", "virtio-mmio.force-legacy=false",
               "-drive", f"file={disk},format=raw,if=none,id=flash,readonly=on", "-device", "virtio-blk-device,drive=flash"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
    except subprocess.TimeoutExpired as e:
        raise Failure(f"the oracle guest did not end:\n{(e.stdout or b'').decode('utf-8', 'replace')[-3000:]}") from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said = done.stdout.replace(b"\r", b"")
    os.makedirs(os.path.join(env.WORK, "log"), exist_ok=True)
    with open(os.path.join(env.WORK, "log", log + ".log"), "wb") as f:
        f.write(said)
    end = said.decode("utf-8", "replace")[-3000:]
    check(re.search(rb"^ORACLE end: done$", said, re.M), f"the oracle guest did not get through:\n{end}")
    return said


def read_work_disk(disk, passcode, log):
    """Boots the guest on a handset's flash image, which stays as it is. Returns {file name: SHA-256} of the work userdata's top folder, and
    the partitions' names in the work disk."""
    text = _boot(disk, INIT, {"passcode": (passcode, 0o600)}, log).decode("utf-8", "replace")
    return dict(re.findall(r"^ORACLE file: (\S+) ([0-9a-f]{64})$", text, re.M)), re.findall(r"^ORACLE partition: (.*)$", text, re.M)


def _unescape(name):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), name)


def list_file_system(image, log):
    """{path: {attribute: value}} of everything in an ext4 image, as Linux shows it, paths and values in bytes; regular files have
    `sha256`."""
    folder = env.fresh("oracle-list")
    program = os.path.join(folder, "list")
    run([os.environ.get("CROSS", "aarch64-linux-gnu-") + "gcc", "-O1", "-Wall", "-Werror", "-static", "-o", program,
         os.path.join(env.ROOT, "tests", "e2e", "guests", "list.c")])
    with open(program, "rb") as f:
        said = _boot(image, LIST, {"list": (f.read(), 0o755)}, log)
    found = {}
    for line in re.findall(rb"^ORACLE name: (.*)$", said, re.M):
        name, *fields = line.split(b"\t")
        found[_unescape(name)] = {key.decode(): _unescape(value) for key, value in (f.split(b"=", 1) for f in fields)}
    for digest, name in re.findall(rb"^ORACLE sum: \\?([0-9a-f]{64})  /mnt/(.*)$", said, re.M):
        check(name in found, f"{name}: a digest, but no name")
        found[name]["sha256"] = digest
    return found

"""A persona's own boot image and disk also boot on plain QEMU: the handset shows a persona the machine that every arm64 kernel knows."""
import os
import shutil

from kit import build, env, gpt
from kit.cases import cases
from kit.env import check, check_equal, run
from kit.handset import Console


def _plain_disk(persona):
    """The persona's disk as it was built, in the clear."""
    if persona == "work":
        return build.plain_work_disk(build.built().disk)
    part = build.built().parts()["personal"]
    path = os.path.join(env.fresh("stock"), "disk.img")
    env.copy_range(build.built().disk, part.at, part.length, path)
    return path


def _boot_parts(disk):
    """(kernel, ramdisk, command line) of the boot partition, by unpack_bootimg."""
    part = gpt.read(disk)["boot"]
    folder = env.fresh("stock-boot")
    image = os.path.join(folder, "boot.img")
    env.copy_range(disk, part.at, part.length, image)
    text = run(["unpack_bootimg", "--boot_img", image, "--out", folder]).stdout
    line = [t.split(":", 1)[1].strip() for t in text.splitlines() if t.startswith("command line args:")]
    check(len(line) == 1, f"unpack_bootimg shows no command line:\n{text}")
    return os.path.join(folder, "kernel"), os.path.join(folder, "ramdisk"), line[0]


@cases(personal=("personal",), work=("work",))
def test_boots_on_plain_qemu(persona):
    disk = _plain_disk(persona)
    kernel, ramdisk, line = _boot_parts(disk)
    command = [env.program("qemu-system-aarch64"), "-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", "512M",
               "-nographic", "-monitor", "none", "-serial", "stdio", "-net", "none", "-no-reboot", "-kernel", kernel, "-initrd", ramdisk,
               "-append", f"console=ttyAMA0 {line}", "-global", "virtio-mmio.force-legacy=false",
               "-drive", f"file={disk},format=raw,if=none,id=disk", "-device", "virtio-blk-device,drive=disk"]
    log = os.path.join(env.WORK, "log", f"stock-{persona}.log")
    with Console(command, log, prefixed=False) as guest:
        guest.expect("", rf"{persona}:/# ", 120)
        check_equal(guest.sh("", "nproc").split()[-1], "2", "CPUs")
        check("/dev/vda" in guest.sh("", "grep ' /data ext4 ' /proc/mounts"), "userdata is not mounted")
        guest.send("", "poweroff")
        check_equal(guest.wait(60), 0, "exit status of QEMU")
    shutil.rmtree(os.path.dirname(disk))

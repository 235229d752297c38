"""A persona made of Android's images: the demo's own kernel, initial RAM disk and system, taken apart into boot, init_boot, vendor_boot
and a sparse super, come together again and boot."""
import glob
import os
import shutil
import struct
import subprocess

from kit import android, build, env, gpt
from kit.env import check, check_equal, run
from kit.handset import Handset

VENDOR_LINE, BOOT_LINE = "vendor.word=1", "generic.word=2"
BOOTCONFIG = b"androidboot.hardware = mvp\nandroidboot.serialno = 1\n"


def _persona_parts(disk, persona, folder):
    """The partitions of a persona's disk as files: {name: path}."""
    part = gpt.read(disk)[persona]
    whole = os.path.join(folder, persona + ".img")
    env.copy_range(disk, part.at, part.length, whole)
    found = {}
    for name, inner in gpt.read(whole).items():
        found[name] = os.path.join(folder, f"{persona}-{name}.img")
        env.copy_range(whole, inner.at, inner.length, found[name])
    os.unlink(whole)
    return found


def _cpio(root, names):
    return subprocess.run([env.program("cpio"), "--quiet", "-o", "-H", "newc"], cwd=root, input="\n".join(names).encode(),
                          stdout=subprocess.PIPE, check=True, timeout=120).stdout


def _split_ramdisk(ramdisk, folder):
    """(what goes to vendor_boot, what stays generic): the modules, and all else."""
    root = os.path.join(folder, "ramdisk-root")
    os.makedirs(root)
    with open(ramdisk, "rb") as f:
        subprocess.run([env.program("cpio"), "--quiet", "-idm"], cwd=root, stdin=f, check=True, timeout=120)
    names = sorted(os.path.relpath(os.path.join(top, n), root) for top, dirs, files in os.walk(root) for n in dirs + files)
    modules = [n for n in names if n.startswith("modules")]
    check(len(modules) > 3, f"the ramdisk holds {names}")
    pair = _cpio(root, modules), _cpio(root, [n for n in names if n not in modules])
    shutil.rmtree(root)
    return pair


def _images(folder):
    """Writes the Android images and returns what the boot partition has to hold: (kernel, ramdisk)."""
    parts = _persona_parts(build.built().disk, "personal", folder)
    run(["unpack_bootimg", "--boot_img", parts["boot"], "--out", folder])
    with open(os.path.join(folder, "kernel"), "rb") as f:
        kernel = f.read()
    vendor, generic = _split_ramdisk(os.path.join(folder, "ramdisk"), folder)
    with open(parts["system"], "rb") as f:
        system = f.read()
    made = {
        "boot": android.boot_v4(kernel, b"", BOOT_LINE),
        "init_boot": android.boot_v4(b"", generic),
        "vendor_boot": android.vendor_boot_v4([(1, "", vendor), (2, "recovery", b"recovery must not be loaded")], VENDOR_LINE, b"",
                                              BOOTCONFIG),
        "dtbo": android.dtbo([struct.pack(">II", 0xd00dfeed, 72) + bytes(64)]),
        "super": android.super_image([("system_a", system), ("vendor_a", b"")], len(system) + (8 << 20), pieces=3),
    }
    for name, data in made.items():
        with open(os.path.join(folder, name + ".img"), "wb") as f:
            f.write(data)
    run(["img2simg", os.path.join(folder, "super.img"), os.path.join(folder, "super.simg"), "4096"])
    os.unlink(os.path.join(folder, "super.img"))
    ramdisk = vendor + generic
    return kernel, ramdisk + android.bootconfig_trailer(ramdisk, BOOTCONFIG), system


def _manifest(folder):
    for name in ("keys", "inputs", "personas"):
        os.symlink(os.path.realpath(os.path.join(env.DEMO, name)), os.path.join(folder, name))
    busybox, = glob.glob(os.path.join(env.INPUTS, "personal", "busybox-static_*.deb"))
    path = os.path.join(folder, "android.yaml")
    with open(path, "w") as f:
        f.write(f"""mvp: 1
name: android
version: 1.0
board: qemu-virt
oem: [generic]
keys: {{master: keys/master.key}}
hypervisor: {{console: prefixed}}
personas:
  personal:
    memory: 512 MiB
    cpus: 1
    boot: {{kernel: android, cmdline: quiet}}
    system:
      layers:
        - android:
            {{boot: boot.img, init_boot: init_boot.img, vendor_boot: vendor_boot.img, dtbo: dtbo.img, super: super.simg,
             system: "super:system"}}
    userdata: {{size: 16 MiB}}
  work:
    memory: 256 MiB
    cpus: 1
    boot: {{kernel: "file:kernel", initrd: none}}
    system: {{layers: [{{deb: [{busybox}]}}]}}
    encryption: {{passcode: {{file: keys/demo.passcode}}}}
""")
    return path


def test_images_come_together_and_boot():
    folder = env.fresh("android")
    kernel, ramdisk, system = _images(folder)
    out = os.path.join(folder, "out")
    run([env.MVPCTL, "build", "--format", "disk", "-o", out, _manifest(folder)], cwd=folder)
    disk, = glob.glob(os.path.join(out, "*.img"))
    again = os.path.join(folder, "again")
    os.makedirs(again)
    parts = _persona_parts(disk, "personal", again)
    check_equal(sorted(parts), ["boot", "dtbo", "init_boot", "system", "userdata", "vbmeta", "vendor_boot"], "partitions of the persona's disk")
    with open(parts["system"], "rb") as f:
        held = f.read()
    check(held[:len(system)] == system and not any(held[len(system):]), "the system is not the one that super held, then zeros")
    run(["e2fsck", "-fn", parts["system"]])
    for name in ("init_boot", "vendor_boot"):
        with open(parts[name], "rb") as f, open(os.path.join(folder, name + ".img"), "rb") as given:
            image = given.read()
            check(f.read(len(image)) == image, f"partition {name} is not the image")
    text = run(["unpack_bootimg", "--boot_img", parts["boot"], "--out", again]).stdout
    line, = (t for t in text.splitlines() if t.startswith("command line args:"))
    words = line.split()
    check([w for w in words if w in (VENDOR_LINE, BOOT_LINE, "bootconfig", "quiet")] == [VENDOR_LINE, BOOT_LINE, "bootconfig", "quiet"],
          f"the command line: {line}")
    for name, want in (("kernel", kernel), ("ramdisk", ramdisk)):
        with open(os.path.join(again, name), "rb") as f:
            check(f.read() == want, f"the {name} in the boot partition is not what a bootloader would load")
    shutil.rmtree(again)
    with Handset(disk, "android") as handset:
        handset.personal_ready()
        check(VENDOR_LINE in handset.sh("personal", "cat /proc/cmdline"), "the persona did not get the vendor's words")
        handset.send("personal", "poweroff")
        handset.expect("mvp", r"personal: off", 60)
    shutil.rmtree(folder)

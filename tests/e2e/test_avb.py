"""Everything that is signed, in the eyes of avbtool; and the hash trees in veritysetup's."""
import os
import re
import subprocess

from kit import build, env, gpt
from kit.cases import cases
from kit.env import check, check_equal, run

AVBTOOL = os.path.join(env.O, "avbtool", "avbtool.py")


def _avbtool(*arguments, status=0):
    done = subprocess.run(["python3", AVBTOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check((done.returncode == 0) == (status == 0), f"avbtool {' '.join(arguments)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def _part(folder, disk, part, name):
    path = os.path.join(folder, name + ".img")
    env.copy_range(disk, part.at, part.length, path)
    return path


def _flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))


def _key(name):
    """(private PEM, as avbtool writes its public half)."""
    pem = os.path.join(env.DEMO, "keys", name + ".pem")
    blob = os.path.join(env.fresh("avb-key", name), "blob")
    _avbtool("extract_public_key", "--key", pem, "--output", blob)
    return pem, blob


def _disk_of(persona):
    disk = build.built().disk
    if persona == "handset":
        return disk, gpt.read(disk)
    if persona == "work":
        plain = build.plain_work_disk(disk)
        return plain, gpt.read(plain)
    return disk, gpt.read(disk, gpt.read(disk)["personal"].at)


def _veritysetup(folder, shown):
    """The tree behind the file system gives the root that is signed; a changed block does not."""
    block = shown[shown.index("Hashtree descriptor:"):]
    fields = {name: re.search(rf"{name}:\s+(\w+)", block)[1] for name in ("Image Size", "Tree Offset", "Salt", "Root Digest")}
    image = os.path.join(folder, "system.img")
    command = ["veritysetup", "verify", image, image, fields["Root Digest"], "--no-superblock", "--hash=sha256", "--data-block-size=4096",
               "--hash-block-size=4096", f"--data-blocks={int(fields['Image Size']) // 4096}", f"--hash-offset={fields['Tree Offset']}",
               f"--salt={fields['Salt']}"]
    run(command)
    _flip(image, 5000)
    check(run(command, status=None).returncode != 0, "veritysetup takes a changed block")
    _flip(image, 5000)


@cases(handset=("handset", "oem", ["boot"]), personal=("personal", "oem", ["boot", "system"]),
       work=("work", "enterprise", ["boot", "system"]))
def test_avbtool_verifies(persona, key, covered):
    folder = env.fresh("avb", persona)
    disk, parts = _disk_of(persona)
    vbmeta = _part(folder, disk, parts["vbmeta"], "vbmeta")
    for name in covered:
        _part(folder, disk, parts[name], name)
    pem, blob = _key(key)
    other = _key("enterprise" if key == "oem" else "oem")[0]
    said = _avbtool("verify_image", "--image", vbmeta, "--key", pem)
    for name in covered:
        check(re.search(rf"{name}.*: Successfully verified", said), f"avbtool did not verify {name}:\n{said}")
    _avbtool("verify_image", "--image", vbmeta, "--key", other, status=1)
    shown = _avbtool("info_image", "--image", vbmeta)
    check_equal(re.search(r"Algorithm:\s+(\S+)", shown)[1], "SHA256_RSA4096", "the algorithm")
    with open(blob, "rb") as f, open(vbmeta, "rb") as image:
        check(f.read() in image.read(), "the key in the image is not what avbtool makes of it")
    if "system" in covered:
        _veritysetup(folder, shown)
    # It sees damage wherever it is.
    for name, at in [("vbmeta", 300), *((name, 9000) for name in covered)]:
        path = os.path.join(folder, name + ".img")
        _flip(path, at)
        _avbtool("verify_image", "--image", vbmeta, "--key", pem, status=1)
        _flip(path, at)
    _avbtool("verify_image", "--image", vbmeta, "--key", pem)
    return len(covered) + 2

"""Nothing of the work side can be read off the flash."""
import glob
import hashlib
import mmap
import os
import re
import subprocess

from kit import build, env, gpt
from kit.env import check

BLOCK = 4096


def _text_of(persona, name):
    """The line of the persona's own file that names it."""
    with open(os.path.join(env.ROOT, "templates", "personas", persona, name), "rb") as f:
        return max(f.read().splitlines(), key=len).strip()


def _bash_text():
    """A text of the shell that only work has, as its package was downloaded. (Both have the same kernel.)"""
    text = b"GNU bash, version "
    deb, = glob.glob(os.path.join(env.INPUTS, "work", "bash_*.deb"))
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, check=True).stdout
    check(text in unpacked, f"{deb} has no {text!r}")
    return text


def _needles(persona):
    return {
        "a file of its system": _text_of(persona, "etc/motd") if persona == "personal" else b"property of ACME Incorporated",
        "its shell's settings": b"ttyAMA0::respawn:-/bin/sh" if persona == "personal" else b"--login-program /etc/init.d/login",
        "a program of its system": b"BusyBox v1." if persona == "personal" else _bash_text(),
        "a file of its userdata": f"minutes of the {persona} meeting".encode(),
    }


def _found(path, needle):
    """Offsets of the needle in the file."""
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        at = whole.find(needle)
        while at >= 0:
            yield at
            at = whole.find(needle, at + 1)


def _inside(offsets, part):
    return [at for at in offsets if part.at <= at < part.at + part.length]


def test_no_plaintext_on_the_flash():
    used = build.used()
    parts = gpt.read(used.disk)
    # The search finds what is there to be found, or it proves nothing.
    for what, needle in _needles("personal").items():
        check(_inside(_found(used.disk, needle), parts["personal"]), f"the search is blind: {what} ({needle!r}) of personal is not found")
    for what, needle in _needles("work").items():
        found = list(_found(used.disk, needle))
        check(not found, f"{what} ({needle!r}) of work is on the flash at {found[:5]}")


def test_no_plaintext_in_the_factory_zip():
    """The same for what is shipped: images of the zip are sparse and deflated, so they are expanded first."""
    folder = env.fresh("shipped")
    built = build.built()
    for image in build.zip_images(built.zip, folder).values():
        for what, needle in _needles("work").items():
            if what != "a file of its userdata":
                check(not list(_found(image, needle)), f"{what} of work is in {os.path.basename(image)} of the factory zip")


def test_no_key_on_the_flash():
    with open(os.path.join(env.DEMO, "keys", "master.key"), "rb") as f:
        text = f.read()
    keys = [text] + [bytes.fromhex(m.decode()) for m in re.findall(rb"\b[0-9a-fA-F]{64}\b", text)]
    for key in keys:
        check(len(key) >= 32, "the master key file is too short to be searched for")
        check(not list(_found(build.used().disk, key)), "the master key is on the flash")
    shown = env.run(["cryptsetup", "luksDump", "--dump-volume-key", "-q", "--key-file", build.PASSCODE_FILE, _container()]).stdout
    words = re.search(r"MK dump:\s*((?:[0-9a-f]{2}[\s]+)+)", shown)
    check(words, f"cryptsetup shows no volume key:\n{shown}")
    volume_key = bytes.fromhex("".join(words[1].split()))
    check(len(volume_key) == 64, f"volume key of {len(volume_key)} bytes")
    for half in (volume_key[:32], volume_key[32:]):
        check(not list(_found(build.used().disk, half)), "the volume key is on the flash")


def _container():
    path = os.path.join(env.fresh("container"), "work.img")
    part = gpt.read(build.used().disk)["work"]
    env.copy_range(build.used().disk, part.at, part.length, path)
    return path


def test_no_structure_in_the_ciphertext():
    """Every sector of the payload is written and looks random: no zeros, no two alike, no byte much more often than others."""
    path = build.built().disk
    part = gpt.read(path)["work"]
    seen, histogram = set(), [0] * 256
    with open(path, "rb") as f:
        f.seek(part.at + (16 << 20))
        blocks = (part.length - (16 << 20)) // BLOCK
        tail_free = 0
        for i in range(blocks):
            block = f.read(BLOCK)
            if block.count(0) == BLOCK:
                tail_free += 1  # past the container's end: the partition is rounded up to 1 MiB
                continue
            check(tail_free == 0, f"a sector of zeros lies in front of block {i} of the payload")
            digest = hashlib.blake2b(block, digest_size=16).digest()
            check(digest not in seen, f"block {i} of the payload repeats an earlier one")
            seen.add(digest)
            if i % 16 == 0:
                for byte in range(256):
                    histogram[byte] += block.count(byte)
    check(tail_free < (1 << 20) // BLOCK, f"{tail_free} blocks of zeros at the payload's end")
    mean = sum(histogram) / 256
    worst = max(abs(n - mean) for n in histogram) / mean ** 0.5
    check(worst < 6, f"the payload's bytes are not evenly distributed ({worst:.1f} standard deviations)")

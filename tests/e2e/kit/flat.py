"""Kernels that are no Linux: bare-metal programs made from tests/e2e/guests/flat, which say what they find and wait for a line."""
import gzip
import os
import re

from . import env
from .env import check, check_equal

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
SOURCES = os.path.join(env.ROOT, "tests", "e2e", "guests", "flat")
FLAGS = ["-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-mgeneral-regs-only", "-mstrict-align", "-Wall", "-Wextra",
         "-Werror", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack"]
RAM, FLAT_AT = 0x40000000, 0x40080000
CODE_MAX = 4096  # bytes that the wrapper's code and its table leave in memory


def _fill(length):
    return bytes((i * 7 + i // 251) % 255 + 1 for i in range(length))


def _sum(data):
    value = 0
    for byte in data:
        value = (value * 31 + byte) & (2**64 - 1)
    return value


class Guest:
    """An ELF executable with `length` bytes of filling, at `fill_at` or behind the code, and what it must print."""

    def __init__(self, folder, name, at, length, fill_at=0, cmdline=""):
        fill = _fill(length)
        self.at, self.cmdline, self.sum = at, cmdline, _sum(fill)
        filling, self.elf = (os.path.join(folder, f"{name}.{kind}") for kind in ("fill", "elf"))
        with open(filling, "wb") as f:
            f.write(fill)
        env.run([CROSS + "gcc", *FLAGS, f'-DFILL="{filling}"', f"-Wl,--defsym=AT_ADDRESS={at},--defsym=FILL_ADDRESS={fill_at}", "-T",
                 os.path.join(SOURCES, "flat.ld"), "-o", self.elf, os.path.join(SOURCES, "start.S"), os.path.join(SOURCES, "main.c")])

    def flat(self):
        path = self.elf.removesuffix("elf") + "bin"
        env.run([CROSS + "objcopy", "-O", "binary", self.elf, path])
        return path

    def gzip(self):
        path = self.elf + ".gz"
        with open(self.elf, "rb") as source, open(path, "wb") as target:
            target.write(gzip.compress(source.read(), 1, mtime=0))
        return path

    def check(self, text, what):
        said = dict(re.findall(r"^flat: (.*?) (0x[0-9a-f]+|'.*')$", text, re.M))
        expected = {"at": hex(self.at), "level": "0x1", "bytes set in bss": "0x0", "fill": hex(self.sum),
                    "command line": f"'{self.cmdline}'", "initrd": "0x0"}
        for key, value in expected.items():
            check_equal(said.get(key), value, f"{what}: {key}")
        check(int(said["device tree"], 16) >= RAM, f"{what}: no device tree at x0")
        left = int(said["bytes of others"], 16)
        check(left <= CODE_MAX, f"{what}: {left} bytes that are not zero lie in memory that is not the guest's")
        check("went on" not in text, f"{what}: it went on after it was off")
        return said

"""Kernels that are no Linux: flat binaries and ELF executables, made from tests/e2e/guests/flat, as the kernels of both personas."""
import gzip
import os
import re
import subprocess

from kit import build, env
from kit.env import check, check_equal
from kit.handset import Handset

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
SOURCES = os.path.join(env.ROOT, "tests", "e2e", "guests", "flat")
WRAP = os.path.join(env.ROOT, "imagegen", "bootimg", "wrap.c")
FLAGS = ["-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-mgeneral-regs-only", "-mstrict-align", "-Wall", "-Wextra",
         "-Werror", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack"]
RAM, FLAT_AT, LOADED = 0x40000000, 0x40080000, 0x40200000
MIB = 1 << 20
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


def _manifest(name, personas):
    """personas: personal's and work's kernel file, memory and command line."""
    text = ("mvp: 1\nname: kernels\nversion: '1'\nboard: qemu-virt\nkeys: {master: keys/master.key}\nhypervisor: {console: prefixed}\n"
            "personas:\n")
    for persona, (kernel, memory, cmdline) in zip(("personal", "work"), personas):
        text += (f"  {persona}:\n    memory: {memory} MiB\n    cpus: 2\n    network: none\n"
                 f"    boot: {{kernel: 'file:{kernel}', initrd: none, cmdline: '{cmdline}'}}\n")
    text += "    encryption: {passcode: {file: keys/demo.passcode, iterations: 1000}}\n"
    path = os.path.join(env.DEMO, name + ".yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def _boot(folder, name, guests):
    """guests: personal's and work's (Guest, file, memory). Returns what each said of itself."""
    path = _manifest(name, [(kernel, memory, guest.cmdline) for guest, kernel, memory in guests])
    out = os.path.join(folder, name)
    env.run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, path])
    os.unlink(path)
    disk = next(os.path.join(out, n) for n in os.listdir(out) if n.endswith(".img"))
    with Handset(disk, name) as handset:
        handset.expect("personal", r"waiting for a line", 60)
        handset.send("mvp", f"unlock {build.passcode().decode()}")
        handset.expect("work", r"waiting for a line", 60)
        for persona in ("work", "personal"):
            handset.send(persona, "")
            handset.expect("mvp", rf"{persona}: off", 60)
        check(handset.wait() == 0, "the handset did not end well after both personas were off")
        text = dict(handset.text)
    os.unlink(disk)
    return [guest.check(text[persona], f"{name}, {persona}") for persona, (guest, _, _) in zip(("personal", "work"), guests)]


def test_flat_binaries():
    """A small one, and one that covers the place where a kernel is loaded; both like plain QEMU's."""
    folder = env.fresh("kernels-flat")
    small = Guest(folder, "small", FLAT_AT, 1000, cmdline="one two=3  four")
    large = Guest(folder, "large", FLAT_AT, 8 * MIB // 5 + 5)
    said = _boot(folder, "kernels-flat", [(small, small.flat(), 32), (large, large.flat(), 16)])
    # The device tree lies as far behind as on the virt board: half of the memory.
    check_equal([int(s["device tree"], 16) for s in said], [RAM + 16 * MIB, RAM + 8 * MIB], "the device trees")
    command = ["-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-m", "32M", "-nodefaults", "-display", "none", "-serial", "stdio",
               "-kernel", small.flat(), "-append", small.cmdline]
    plain = subprocess.run([env.program("qemu-system-aarch64"), *command], input=b"\n" * 4, stdout=subprocess.PIPE, timeout=60)
    on_qemu = small.check(plain.stdout.decode(), "plain QEMU")
    check_equal(said[0]["device tree"], on_qemu["device tree"], "the device tree's address, and plain QEMU's")


def test_elf_executables():
    """One linked to where the device tree and the loaded kernel lie, and one, compressed, with a part at an odd address."""
    folder = env.fresh("kernels-elf")
    low = Guest(folder, "low", RAM, 9 * MIB // 4, cmdline="low")
    odd = Guest(folder, "odd", RAM + 7 * MIB, 100003, fill_at=RAM + 3 * MIB + 3)
    said = _boot(folder, "kernels-elf", [(low, low.elf, 32), (odd, odd.gzip(), 16)])
    check(int(said[0]["device tree"], 16) > RAM + 9 * MIB // 4, "the device tree lies in the kernel")
    check_equal(int(said[1]["device tree"], 16), RAM, "the device tree where it need not move")


def test_wrapper_code_is_its_comments():
    folder = env.fresh("kernels-code")
    with open(WRAP, encoding="utf-8") as f:
        words, lines = zip(*re.findall(r"^\t0x([0-9a-f]{8}), /\* (.*) \*/$", f.read(), re.M))
    source, target, binary = (os.path.join(folder, "code." + kind) for kind in ("S", "o", "bin"))
    with open(source, "w") as f:
        words_behind = "".join(f"{name}: .quad 0\n" for name in ("run_at", "image_len", "entry", "dtb_at"))
        f.write("head: b start\n.skip 60\n" + "\n".join(lines) + "\n" + words_behind + "steps:\n")
    env.run([CROSS + "gcc", "-c", "-o", target, source])
    env.run([CROSS + "objcopy", "-O", "binary", target, binary])
    with open(binary, "rb") as f:
        code = f.read()[64:-32]
    assembled = [code[i:i + 4][::-1].hex() for i in range(0, len(code), 4)]
    check(len(words) > 50, f"only {len(words)} words of code were found")
    for line, word, right in zip(lines, words, assembled):
        check_equal(word, right, f"wrap.c, '{line}'")
    check_equal(len(words), len(assembled), "words of code")

"""Kernels that are no Linux: flat binaries and ELF executables as the kernels of both personas."""
import os
import re
import subprocess

from kit import build, env
from kit.env import check, check_equal
from kit.flat import FLAT_AT, RAM, Guest
from kit.handset import Handset

CROSS = os.environ.get("CROSS", "aarch64-linux-gnu-")
WRAP = os.path.join(env.ROOT, "imagegen", "bootimg", "wrap.c")
MIB = 1 << 20


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

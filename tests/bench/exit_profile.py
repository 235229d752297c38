"""Where the instructions of an operation go: the bare guest on the handset, with QEMU tracing every instruction and every exception."""
import collections
import json
import os
import re
import socket

import sides
from kit import env
from kit.env import check, run, wait_until

TITLE = "Profile: the same operations on the handset, every instruction traced"
NOTES = [
    "Exits and instructions per operation on both CPUs together, less those of an empty loop. `core` is EL2, `vault` its EL1 program.",
    "The functions of the core are those with 4 % of its instructions or more; some are inlined in others.",
]
COUNT = 16  # of cost.c when it is profiled
SHOWN = 0.04
SHOWN_OPERATIONS = ("hypercall", "gic-read", "gic-write", "device", "sgi-self", "ipi", "timer", "wfi")
TIMEOUT_S = 120
KINDS = {0x01: "WFI", 0x07: "FP", 0x16: "HVC", 0x17: "SMC", 0x18: "sysreg", 0x20: "fetch", 0x24: "MMIO"}
MARK = 0x5a0000be  # ESR of cost.c's mark(): HVC #0xbe

OBJCOPY = """#!/bin/sh
# Keeps the ELF file that objcopy flattens.
set -eu
for last; do case $last in *.elf) cp "$last" '{keep}/' ;; esac; done
exec {cross}objcopy "$@"
"""


def tools(where):
    """A cross toolchain whose objcopy saves what was linked, with its symbols, in WHERE."""
    prefix = os.path.join(where, "keep-")
    for name, text in (("gcc", f'#!/bin/sh\nexec {sides.CROSS}gcc "$@"\n'), ("objcopy", OBJCOPY.format(keep=where, cross=sides.CROSS))):
        with open(prefix + name, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(prefix + name, 0o755)
    return prefix


def symbols(elf):
    """Sorted [(address, name)] of the functions."""
    found = []
    for line in run([sides.CROSS + "nm", elf]).stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tT" and not words[2].startswith("$"):
            found.append((int(words[0], 16), words[2]))
    check(found, f"{elf} has no symbols")
    return sorted(found)


def _name(symbols, cache, pc):
    if pc not in cache:
        at = [name for address, name in symbols if address <= pc]
        cache[pc] = re.sub(r"\.(lto_priv|constprop|isra|part)\..*", "", at[-1]) if at else "?"
    return cache[pc]


class Window:
    """What ran between two marks."""

    def __init__(self):
        self.exits, self.instructions, self.functions = collections.Counter(), collections.Counter(), collections.Counter()


def _read_trace(path, symbols, vault):
    """The windows of the trace, in their order. QEMU logs `Trace CPU:` before each instruction and several lines for an exception."""
    windows, window, level, cache = [], None, {}, {}
    cpu, taken, came = "0", None, "guest"
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.startswith("Trace "):
                cpu = line[6:line.index(":")]
                if window:
                    pc = int(line.split("[", 1)[1].split("/")[1], 16)
                    where = level.get(cpu, "guest")
                    window.instructions[where] += 1
                    if where == "core":
                        window.functions[_name(symbols, cache, pc)] += 1
            elif line.startswith("Taking exception"):
                match = re.match(r"Taking exception \d+ \[(.*)\] on CPU (\d+)", line)
                taken, cpu = match[1], match[2]
            elif line.startswith("...from") and "to EL2" in line:
                kind = "IRQ" if taken == "IRQ" else None
                if kind and window:
                    window.exits[kind if level.get(cpu, "guest") == "guest" else f"{level[cpu]} {kind}"] += 1
                came, level[cpu] = level.get(cpu, "guest"), "core"
            elif line.startswith("...with ESR") and taken != "IRQ" and level.get(cpu) == "core":
                syndrome = int(line.split("/")[1], 16)
                if syndrome == MARK and came == "guest":
                    if window:
                        windows.append(window)
                        window = None
                    else:
                        window = Window()
                elif window:
                    kind = KINDS.get(syndrome >> 26, f"EC {syndrome >> 26:#x}")
                    window.exits[kind if came == "guest" else f"{came} {kind}"] += 1
            elif line.startswith("Exception return from AArch64 EL2"):
                pc = int(line.split(" PC ")[1], 16)
                level[cpu] = "vault" if vault[0] <= pc < vault[1] else "guest"
    return windows


class _Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        wait_until(lambda: os.path.exists(path), 30, "QEMU's socket")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self._ask("qmp_capabilities", {})

    def _ask(self, command, arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "event" not in answer:
                check("return" in answer, f"QEMU refuses {command}: {answer}")
                return answer["return"]

    def human(self, line):
        said = self._ask("human-monitor-command", {"command-line": line})
        check(not said, f"QEMU's monitor says to '{line}': {said}")


def _traced(guest, disk, where):
    trace, control = os.path.join(where, "trace"), os.path.join(where, "qmp")
    command = sides.handset_command(disk, f"--qmp=unix:{control}", "--qemu-arg=-D", f"--qemu-arg={trace}")
    with sides.Console(command, os.path.join(sides.WORK, "log", "ours-profile.log"), True) as console:
        monitor = _Monitor(control)
        console.expect("personal", "bench: ready", TIMEOUT_S)
        monitor.human("singlestep on")
        monitor.human("log int,exec,nochain")
        console.send("personal", "go")
        console.expect("personal", "bench: done", TIMEOUT_S)
        return trace, re.findall(r"^bench: (\S+) \d+ \d+$", console.text["personal"], re.M)


def measure():
    """[(operation, Window)]; raises Failure."""
    where = sides.folder("profile")
    guest = sides.bare_guest("cost", "-DPROFILE")
    disk = sides.handset_disk(guest, MVP_CROSS=tools(where))
    trace, names = _traced(guest, disk, where)
    os.unlink(disk)
    vault = symbols(os.path.join(where, "vault.elf"))
    windows = _read_trace(trace, symbols(os.path.join(where, "core.elf")), (vault[0][0] & ~0xffff, vault[-1][0] + 0x10000))
    names = [name for name in names if name != "frequency"]
    check(len(windows) == len(names), f"{len(windows)} marked windows in the trace, {len(names)} reports: {names}")
    os.unlink(trace)
    return [(name, window) for name, window in zip(names, _without(windows[names.index("empty")], windows)) if name in SHOWN_OPERATIONS]


def _without(empty, windows):
    """The windows less what the marks and the loop take."""
    empty = (empty.instructions.copy(), empty.functions.copy())
    for window in windows:
        window.instructions.subtract(empty[0])
        window.functions.subtract(empty[1])
    return windows


def cells(name, window):
    def per(n):
        return f"{n / COUNT:.0f}" if n % COUNT == 0 else f"{n / COUNT:.1f}"

    exits = ", ".join(f"{per(n)} {kind}" for kind, n in window.exits.most_common() if n >= COUNT // 2)
    core = window.instructions["core"]
    shown = ", ".join(f"{function} {per(n)}" for function, n in window.functions.most_common() if n >= core * SHOWN)
    return [name, exits or "none", *(per(window.instructions[side]) for side in ("guest", "core", "vault")), shown]


HEAD = ["", "exits", "guest", "core", "vault", "functions of the core"]


def text(profile):
    lines = [HEAD, *(cells(name, window) for name, window in profile)]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    shown = ["  ".join([*(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))), line[5]]) for line in lines]
    return "\n".join([TITLE, "", *shown, "", *(f"- {note}" for note in NOTES), ""])


def markdown(profile):
    lines = [HEAD, ["---", "---", "---:", "---:", "---:", "---"], *(cells(name, window) for name, window in profile)]
    return "\n".join([f"## {TITLE}", "", *("| " + " | ".join(line) + " |" for line in lines), "", *(f"- {note}" for note in NOTES), ""])

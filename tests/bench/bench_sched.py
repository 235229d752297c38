"""What the scheduler gives to two personas that want the same CPUs."""
import os
import re

import sides
from kit import env
from kit.env import check, run
from table import OURS, Row, at_most

TITLE = "Scheduling: two personas that want the same CPUs (tests/bench/guest/sched.c)"
NOTES = [
    "Shares in percent of what both did, by windows that both were busy in, the worst of all CPUs. An instruction takes 8 ns; two CPUs take"
    " turns of a thousand instructions.",
    "A slice is 5 ms: in 100 ms the phase of a slice can move a share by 5 points, in 1 s by half of one.",
    "Sleepers wake by a timer every millisecond. The modest one works for 5 % of the CPU and must get all of that; the greedy one for more"
    " than its share, and must get that share and no more.",
    "The newcomer comes when the other persona has had the CPU alone for 30 s. `first run` is the time it waits, `longest wait` the longest"
    " time that the old one then is without the CPU.",
    "Wake-up: 1,000 timers of the persona on the screen, from the instant the timer is due to the instruction after WFI, while the other"
    " one spins; an instruction takes 1 ns.",
]
SHARES = (50, 80, 95)
SHIFT = 3
SLICE_MS = 5  # imagegen/hyp/config.c
TICKS_PER_MS = 62500
WINDOW_MS = 100
IN_A_SECOND = 1000 // WINDOW_MS
POINTS_SECOND, POINTS_WINDOW = 1, 100 * SLICE_MS / WINDOW_MS
# A sleeper pays for its wake-ups out of its share, and units do not count them: 0.7 points of 20 % as measured.
POINTS_WAKE_UPS = 0.75
MODEST, GREEDY = 3, 30  # units a millisecond; a CPU of two does some 60
PASSCODE = "2580"
MANIFEST = """mvp: 1
name: sched
version: 1.0.0
board: qemu-virt
oem: [generic]
keys: {{{keys}}}
hypervisor: {{foreground-share: {share}%, console: prefixed, build: {build}}}
personas:
  personal:
    memory: 64 MiB
    cpus: 2
    boot: {{kernel: "file:{personal}", initrd: none, cmdline: "{cmdline}"}}
    network: none
  work:
    memory: 64 MiB
    cpus: 2
    boot: {{kernel: "file:{work}", initrd: none}}
    network: none
    encryption:
      passcode: {{file: keys/passcode, tries: 10, iterations: 1000}}
"""


def build_disk(name, share, personal, work, *, build="release", cmdline="", keys="master: keys/master.key"):
    """A handset whose personas are these bare-metal kernels."""
    where = sides.folder("handset", name)
    run([env.MVPCTL, "-q", "keys", "init", os.path.join(where, "keys")])
    with open(os.path.join(where, "keys", "passcode"), "w", encoding="utf-8") as f:
        f.write(PASSCODE)
    path = os.path.join(where, "sched.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(share=share, personal=personal, work=work, build=build, cmdline=cmdline, keys=keys))
    out = os.path.join(where, "out")
    run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, path])
    disk, = (os.path.join(out, name) for name in os.listdir(out) if name.endswith(".img"))
    return disk


class Got:
    """What a persona's run reported: units by window for each of its CPUs, wake-ups, gaps."""

    def __init__(self, text):
        check(not re.search(r"^bench: failed", text, re.M), "the guest failed:\n" + text[-1500:])
        self.windows = {}
        for cpu, first, counts in re.findall(r"^bench: windows (\d) (\d+)((?: \d+)+)$", text, re.M):
            at = self.windows.setdefault(int(cpu), {})
            for i, n in enumerate(counts.split()):
                at[int(first) + i] = int(n)
        self.wakes = {int(c): (int(m), int(s), int(n)) for c, m, s, n in re.findall(r"^bench: wakes (\d) (\d+) (\d+) (\d+)$", text, re.M)}
        self.gap = {int(c): (int(m), int(at)) for c, m, at in re.findall(r"^bench: gap (\d) (\d+) (\d+)$", text, re.M)}


class Rig(sides.Console):
    """The handset with two personas of guest/sched.c. shift: a power of two of ns that an instruction takes."""

    def __init__(self, name, disk, shift, cpus=sides.CPUS, arguments=()):
        counter = ["-icount", f"shift={shift},sleep=off"]
        command = [env.MVPCTL, "run", "--headless", "--disk-snapshot", "--cpu", sides.CPU, "--smp", str(cpus),
                   *(f"--qemu-arg={word}" for word in counter), *arguments, disk]
        super().__init__(command, os.path.join(sides.WORK, "log", f"sched-{name}.log"), True)

    def start(self, ready="bench: ready"):
        self.expect("personal", ready, 120)
        self.send("mvp", "unlock " + PASSCODE)
        self.expect("work", "bench: ready", 240)

    def begin(self, what="run", **commands):
        """Commands for both personas at once: {persona: numbers}."""
        for persona in commands:
            self.skip(persona)
        self._from = {persona: self.seen[persona] for persona in commands}
        self.write("".join(f"{persona}|{what} {' '.join(str(n) for n in numbers)}\n" for persona, numbers in commands.items()).encode())

    def end(self, timeout):
        """{persona: Got} of what was begun."""
        got = {}
        for persona, at in self._from.items():
            end = self.expect(persona, r"^bench: (?:done|failed.*)$", timeout)
            got[persona] = Got(self.text[persona][at:end.end()])
        return got

    def run(self, timeout, what="run", **commands):
        self.begin(what, **commands)
        return self.end(timeout)


def shares(got, group=1):
    """The personal persona's share in percent in each `group` of windows both were busy in, of all CPUs."""
    found = []
    for cpu, mine in got["personal"].windows.items():
        theirs = got["work"].windows[cpu]
        both = sorted(w for w in set(mine) & set(theirs) if w - 1 in mine and w - 1 in theirs and w + 1 in mine and w + 1 in theirs)
        both = [w for w in both if w + 2 in mine and w + 2 in theirs]  # the last two were not whole
        for i in range(0, len(both) - group + 1, group):
            a, b = (sum(of[w] for w in both[i:i + group]) for of in (mine, theirs))
            check(a + b, f"CPU {cpu} did nothing in window {both[i]}")
            found.append(100 * a / (a + b))
    return found


def off_by(found, want):
    """The largest distance of a share from the one that was configured, in points."""
    check(len(found) >= 2, f"only {len(found)} windows in which both personas were busy")
    return max(abs(share - want) for share in found)


def busy(ms, *, delay=0, window_ms=WINDOW_MS, cpus=2, period_us=0, work=0):
    """The numbers of a command."""
    return delay, ms, 1000 * window_ms, cpus, period_us, work


def spun(rig, ms, want):
    """(points in 1 s, points in 100 ms) by which the shares of two spinners are wrong."""
    got = rig.run(300, personal=busy(ms), work=busy(ms))
    return off_by(shares(got, IN_A_SECOND), want), off_by(shares(got), want)


def slept(rig, ms, units):
    """(share of the background persona that sleeps and works `units` each millisecond, that part of its wish which it got), in percent."""
    got = rig.run(300, personal=busy(ms), work=busy(ms, period_us=1000, work=units))
    worst = min(sum(windows.values()) for windows in got["work"].windows.values())
    return [100 - share for share in shares(got, IN_A_SECOND)], 100 * worst / ((ms - 1) * units)


def switched(rig, ms):
    """The screen is switched while both spin: the shares of the personal persona before and after, window by window."""
    rig.begin(personal=busy(ms, cpus=1), work=busy(ms, cpus=1))
    for _ in range(80):  # some ms each, while both spin
        rig.send("mvp", "status")
        rig.expect("mvp", "status front personal", 60)
    rig.send("mvp", "switch")
    rig.expect("mvp", "front work", 60)
    found = shares(rig.end(300))
    rig.send("mvp", "switch")
    rig.expect("mvp", "front personal", 60)
    return found


def newcomer(rig, alone_ms, old, new):
    """(ms until the newcomer ran, ms the old one then was without the CPU at most)."""
    got = rig.run(600, **{old: busy(alone_ms + 1000, window_ms=10, cpus=1), new: busy(900, delay=alone_ms, window_ms=10, cpus=1)})
    return got[new].wakes[0][0] / TICKS_PER_MS, got[old].gap[0][0] / TICKS_PER_MS


def wakened(rig, wakes):
    """(mean, max) instructions from a due timer of the foreground persona to its next instruction, while the background one spins."""
    ms = wakes + 1
    got = rig.run(600, personal=busy(ms, cpus=1, period_us=1000, work=5), work=busy(ms + 100, cpus=1))
    most, total, count = got["personal"].wakes[0]
    check(count == wakes, f"{count} wake-ups of {wakes}")
    return total / count * 16, most * 16


def swap_window(found, before, after):
    """How many windows lie between the last share that fits `before` (there may be none: the switch comes when it comes) and the first that
    fits `after`. None if the others do not all fit."""
    fits = ["b" if abs(s - before) <= POINTS_WINDOW else "a" if abs(s - after) <= POINTS_WINDOW else "-" for s in found]
    match = re.fullmatch(r"(b*)(-*)(a{3,})", "".join(fits))
    return len(match[2]) if match else None


def _rows_of_80(disk):
    with Rig("mixed", disk, SHIFT) as rig:
        rig.start()
        modest, wish = slept(rig, 3500, MODEST)
        greedy, _ = slept(rig, 3500, GREEDY)
        between = swap_window(switched(rig, 4000), 80, 20)
        check(between is not None, "the switch of the screen did not swap the shares")
        bg, old_fg = newcomer(rig, 30000, "personal", "work")
        fg, old_bg = newcomer(rig, 30000, "work", "personal")
    with Rig("wake", disk, 0) as rig:
        rig.start()
        mean, most = wakened(rig, 1000)
    return [
        Row("modest sleeper: lacks of its wish", "%", {OURS: 100 - wish}, (at_most(1),)),
        Row("modest sleeper: share", "%", {OURS: max(modest)}),
        Row("greedy sleeper: share is off 20 % by", "points", {OURS: off_by(greedy, 20)}, (at_most(POINTS_SECOND),)),
        Row("switch of the screen: windows of 100 ms until the shares are swapped", "windows", {OURS: between}, (at_most(1),)),
        Row("newcomer in the background: first run", "ms", {OURS: bg}, (at_most(2 * SLICE_MS),)),
        Row("newcomer in the background: longest wait of the old one", "ms", {OURS: old_fg}, (at_most(2 * SLICE_MS),)),
        Row("newcomer on the screen: first run", "ms", {OURS: fg}, (at_most(2 * SLICE_MS),)),
        Row("newcomer on the screen: longest wait of the old one (4 slices of 5 are not its own)", "ms", {OURS: old_bg},
            (at_most(6 * SLICE_MS),)),
        Row("wake-up on the screen, mean", "instr", {OURS: mean}),
        Row("wake-up on the screen, max", "instr", {OURS: most}),
    ]


def measure(bench):
    guest = sides.bare_guest("sched").kernel
    rows = []
    for share in SHARES:
        disk = bench.attempt(f"handset with {share} %", lambda s=share: build_disk(f"share-{s}", s, guest, guest))

        def spinners(share=share, disk=disk):
            with Rig(f"share-{share}", disk, SHIFT) as rig:
                rig.start()
                second, window = spun(rig, 6500, share)
            return [Row(f"two spinners, {share} : {100 - share}, in 1 s off by", "points", {OURS: second}, (at_most(POINTS_SECOND),)),
                    Row(f"two spinners, {share} : {100 - share}, in 100 ms off by", "points", {OURS: window}, (at_most(POINTS_WINDOW),))]
        rows += bench.attempt(f"shares of {share} %", spinners) or []
        if share == 80:
            rows += bench.attempt("sleepers, newcomers, switches, wake-ups", lambda d=disk: _rows_of_80(d)) or []
    return rows

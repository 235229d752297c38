"""Work inside Debian's kernel, on every side the same, and what of it is the hypervisor's."""
import sides
from table import Row, below, over_native

TITLE = "Linux (tests/bench/linux/init.c on Debian's kernel, two CPUs, 512 MiB)"
NOTES = [
    "Instructions per unit, of guest and hypervisor and all CPUs together; the best of 5 after a warm-up. The kernel's own random seeds"
    " move fork and exec by up to 1.5 % and what a timer takes by 2 % from boot to boot, the rest by 0.1 %.",
    "A walk of the second translation stage costs no instructions under QEMU: these figures hold the exits, not the TLB.",
    "A pipe's trip between two CPUs holds two SGIs to a sleeping CPU: compare what it takes over native with the SGI's row of the exit"
    " costs.",
    "Boot is virtual time from the kernel's first clock to its first process, idle time included, and on each side its own device tree.",
    "Timers: a timer a millisecond on a CPU whose idle time a process of the lowest class spins away. `slowdown` is the time for a"
    " million instructions of that process; `each` is what the time lacks, per timer.",
    "Console: on native QEMU and in Xen's domain 0 the UART is the machine's own and costs one instruction an access.",
]
SIDES = ("native", "ours", "xen")
TIMEOUT_S = {"native": 300, "ours": 400, "xen": 600}
MILLION = 1000000

TAX = (over_native(2), below("xen"))
WORK = (
    ("boot", "boot to the first process", "ms", ()),
    ("cpu", "CPU-bound", "1000 rounds", (over_native(0.5),)),
    ("memory", "memory: fault in, fill, copy, free", "page", (over_native(0.5),)),
    ("syscall", "system call", "call", (over_native(0.5),)),
    ("fork", "fork, exit, wait", "process", TAX),
    ("exec", "fork, exec, exit, wait", "process", TAX),
    ("pipe-one", "pipe there and back, one CPU", "trip", TAX),
    ("pipe-two", "pipe there and back, two CPUs (IPI)", "trip", TAX),
    ("console", "a byte to the console (MMIO)", "byte", ()),
)


def figures(report):
    per_tick = sides.instructions_per_tick(report)
    found = {name: report[name][0] / report[name][1] * per_tick for name, _, _, _ in WORK}
    found["boot"] /= MILLION
    passed, timers = report["timers-passed"]
    left = report["timers-left"][0]
    found["slowdown"] = passed / left * MILLION
    found["each"] = (passed - left) / timers * per_tick
    return found


def measure(bench):
    guest = sides.linux_guest()
    by_side = {}
    for side in SIDES:
        report = bench.report(side, guest, TIMEOUT_S[side])
        if report:
            by_side[side] = figures(report)

    def row(name, title, unit, goals):
        return Row(title, unit, {side: found[name] for side, found in by_side.items()}, goals)

    rows = [row(name, title, "ms" if unit == "ms" else "instr/" + unit, goals) for name, title, unit, goals in WORK]
    return rows + [row("slowdown", "timers, 1 kHz: slowdown", "instr/million", TAX), row("each", "timers, 1 kHz: each", "instr/timer", ())]

"""Instructions that a request to the disk takes, on the handset and on bare QEMU, plain and encrypted."""
import math

import disk_sides
import sides
from table import NATIVE, OURS, Goal, Row

TITLE = "Disk: instructions per request (tests/bench/linux/disk.c on Debian's kernel, two CPUs)"
NOTES = [
    "All instructions of the machine in that time, counted one by one (plugin/count.c): guest's programs, its kernel, core and vault."
    " Idle CPUs execute none.",
    "`plain`: the personal persona's disk; native is the same guest on plain virtio-blk. `encrypted`: the work persona's disk; native is"
    " the same guest with dm-crypt on plain virtio-blk (aes-xts-plain64, 512-bit key, sectors of 4096 bytes), which does it in the guest.",
    "16 in flight: two threads, one on each CPU, with 8 each. The other persona is locked or off.",
    "When the host completes a request decides how many one interrupt reports: figures move by some percent from run to run.",
]
REQUESTS = 512
TIMEOUT_S = 900
LEAST = 100
SHOWN = 14  # functions of the profile
NOT_MORE = Goal("<= dm-crypt", lambda v: v[OURS] <= v[NATIVE] if OURS in v and NATIVE in v else None)


def count(bench):
    """{side: {job: (Count, requests)}} of those that could be measured."""
    found = {}
    disks = disk_sides.Disks()

    def take(side, jobs, counts):
        if jobs and len(jobs) == len(counts):
            found[side] = {job: (c, n) for (job, _, n), c in zip(jobs, counts)}

    try:
        counter = disk_sides.Counter(disks, "handset", True)
        ours = bench.attempt("disks of the handset",
                             lambda: disk_sides.handset(disks, "count-handset", counter.qemu, REQUESTS, 1, TIMEOUT_S))
        if ours:
            counts = counter.read()
            half = len(ours["personal"])
            take("personal", ours["personal"], counts[:half])
            take("work", ours["work"], counts[half:])
        for side, how in (("native", "direct"), ("dm-crypt", "crypt")):
            counter = disk_sides.Counter(disks, side, False)
            jobs = bench.attempt(f"disk of bare QEMU, {side}",
                                 lambda c=counter, s=side, h=how: disk_sides.native(disks, f"count-{s}", c.qemu, h, REQUESTS, 1, TIMEOUT_S))
            take(side, jobs, counter.read() if jobs else [])
    finally:
        disks.remove()
    return found


def shares(found):
    """Lines that say where the instructions of our sides are spent."""
    lines = []
    for side in ("personal", "work"):
        for job, (c, n) in found.get(side, {}).items():
            parts = ", ".join(f"{part} {count / n:,.0f}" for part, count in c.parts.items())
            top = sorted(c.functions.items(), key=lambda item: -item[1])[:SHOWN]
            lines.append(f"{side} {job}: {parts}: " + ", ".join(f"{name} {count / n:,.0f}" for name, count in top))
    return lines


def mean(rows, side):
    """The geometric mean of the rows' figures."""
    values = [row.values[side] for row in rows if side in row.values]
    return math.exp(sum(map(math.log, values)) / len(values)) if len(values) == len(rows) else None


def rows_of(figure, unit, pair, goals):
    """Rows of all jobs and their geometric mean. figure(side, job) is a number, or None where that was not measured."""
    ours, native = disk_sides.PAIRS[pair]
    rows = []
    for job in disk_sides.JOBS:
        values = {OURS: figure(ours, job), NATIVE: figure(native, job)}
        rows.append(Row(f"{pair}: {disk_sides.title(job)}", unit, {side: v for side, v in values.items() if v is not None}, goals))
    means = {side: mean(rows, side) for side in (OURS, NATIVE)}
    return [*rows, Row(f"{pair}: geometric mean", unit, {side: v for side, v in means.items() if v is not None}, goals)]


def measure(bench):
    found = count(bench)
    for line in shares(found):
        print(line, flush=True)

    def figure(side, job):
        if job not in found.get(side, {}):
            return None
        c, n = found[side][job]
        sides.check(c.total() > LEAST * n, f"{side} {job}: {c.total()} instructions for {n} requests cannot be")
        return c.total() / n

    return [*rows_of(figure, "instr/request", "plain", ()), *rows_of(figure, "instr/request", "encrypted", (NOT_MORE,))]

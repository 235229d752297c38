"""All formats of one build at once, beside each alone."""
import os
import random
import shutil
import statistics

import sides  # noqa: F401: finds the kit
from kit import env
from kit.env import check, run
from table import OURS, Goal, Row

TITLE = "Packing: all formats of one build at once, beside the slowest alone"
COLUMNS = ("slowest", OURS)
NOTES = [
    "The partitions of one handset (disks of 256 MiB, one ciphertext, one three quarters of which are data that shrinks to a third) by the"
    " profiles google, samsung, lg and qualcomm, written to memory; the median of 3. `slowest` is the format that takes longest alone.",
    "Read: bytes that were asked of the partitions for all formats, beside what they hold.",
]
RUNS, DISK_MIB = 3, 256
PACKALL = os.path.join(env.O, "bench", "packall")


def once(folder):
    """{format: (seconds, bytes read, bytes of data)}"""
    found = {}
    for line in run([PACKALL, folder, DISK_MIB], cwd=env.ROOT).stdout.splitlines():
        name, seconds, read, data = line.split()
        found[name] = float(seconds), int(read), int(data)
    return found


def packed(folder):
    os.makedirs(os.path.join(folder, "firmware", "google"))
    with open(os.path.join(folder, "firmware", "google", "product.img"), "wb") as f:
        f.write(random.Random(1).randbytes(4 << 20))
    rounds = [once(folder) for _ in range(RUNS)]
    times = {name: statistics.median(r[name][0] for r in rounds) for name in rounds[0]}
    everything = times.pop("all")
    slowest = max(times, key=times.get)
    _, read, data = rounds[0]["all"]
    check(len(times) > 7, f"only {sorted(times)} were packed")
    rows = [Row(f"all {len(times)} formats (slowest alone: {slowest})", "s", {"slowest": times[slowest], OURS: everything},
                (Goal("< 1.5 times the slowest", lambda v: v[OURS] < 1.5 * v["slowest"]),)),
            Row("read, of what the partitions hold", "bytes", {OURS: read},
                (Goal("each byte once", lambda v: v[OURS] == data),))]
    return rows + [Row(f"{name} alone", "s", {OURS: seconds}) for name, seconds in sorted(times.items())]


def measure(bench):
    fast = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = os.path.join(fast, f"mvp-bench-{os.getpid()}") if fast else env.fresh("bench-pack")
    try:
        return bench.attempt("packing", lambda: packed(folder)) or []
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""The speed of the disk by the guest's own clock, on the handset and on bare QEMU, plain and encrypted."""
import statistics

import bench_disk
import disk_sides
from table import Row

TITLE = "Disk: speed (the same requests by the guest's clock, simulated CPUs as fast as the host lets them)"
NOTES = [
    "Larger is better; the median of 5. IOPS are MB/s by the size of the request. All simulated CPUs run at once: what else the host does"
    " moves these figures, and so does how well QEMU translates a guest; the instructions above do not depend on either.",
]
REQUESTS, REPEATS = 4096, 5
TIMEOUT_S = 1200
PARALLEL = ["-accel", "tcg,thread=multi"]


def speeds(jobs, frequency):
    """{job: requests per second} from the median of its repetitions."""
    times = {}
    for job, ticks, requests in jobs:
        times.setdefault(job, []).append(ticks / requests)
    return {job: frequency / statistics.median(t) for job, t in times.items()}


def measure(bench):
    found, disks = {}, disk_sides.Disks()
    try:
        ours = bench.attempt("speed of the handset's disks",
                             lambda: disk_sides.handset(disks, "speed-handset", PARALLEL, REQUESTS, REPEATS, TIMEOUT_S))
        found.update(ours or {})
        for side, how in (("native", "direct"), ("dm-crypt", "crypt")):
            jobs = bench.attempt(f"speed of bare QEMU's disk, {side}",
                                 lambda s=side, h=how: disk_sides.native(disks, f"speed-{s}", PARALLEL, h, REQUESTS, REPEATS, TIMEOUT_S))
            if jobs:
                found[side] = jobs
    finally:
        disks.remove()
    found = {side: speeds(jobs, disk_sides.FREQUENCY) for side, jobs in found.items()}

    def megabytes(side, job):
        return found[side][job] * disk_sides.SIZES[job.split("-")[2]] / 1e6 if side in found else None

    rows = [row for pair in disk_sides.PAIRS for row in bench_disk.rows_of(megabytes, "MB/s", pair, ())]
    for pair, both in disk_sides.PAIRS.items():
        for job in (job for job in disk_sides.JOBS if "-4k-" in job):
            values = {name: found[side][job] for name, side in zip(("ours", "native"), both) if side in found}
            rows.append(Row(f"{pair}: {disk_sides.title(job)}", "IOPS", values))
    return rows

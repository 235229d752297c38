"""Layers to an ext4 image: beside mke2fs from the same archive and from a folder, and whether time stays in step with files and bytes.
MVP_BENCH_LONG=1 goes up to a million files and 8 GiB."""
import glob
import os
import random
import resource
import shutil
import statistics
import subprocess
import tarfile
import time

import sides  # noqa: F401: finds the kit
from kit import env
from kit.env import check, run
from table import OURS, Goal, Row

TITLE = "Layers to ext4: this builder beside mke2fs"
COLUMNS = ("fakeroot", "tar", "smaller", OURS)
NOTES = [
    "fakeroot: Debian's mke2fs -d of a folder that fakeroot unpacked from the archive; tar: mke2fs 1.47.2 or later -d of the archive"
    " itself, built from Debian's source with libarchive linked. The same root file system of Debian packages, in memory; the median of 3,"
    " the sides in turn. CPU is user and system time of all processes: it moves less with what else the machine does.",
    "smaller: the time per file, or per GiB of data, of the next smaller number: a ratio of 1 is linear, below 1 what starting up costs.",
    "Images of all sides are clean to e2fsck -fn; ours is the same in every run.",
]
RUNS = 3
LONG = os.environ.get("MVP_BENCH_LONG") == "1"
FILES = (1000, 10000, 100000) + ((1000000,) if LONG else ())
GIBS = (0.25, 0.5, 1) + ((4, 8) if LONG else ())
MIN_TAR = 170 << 20
MEMORY_MIB = 150
LINEAR = 1.3  # the machine is not quiet
MKEXT4 = os.path.join(env.O, "bench", "mkext4")
SUITE = "trixie"  # has a mke2fs that takes archives


def below(side):
    return Goal(f"below {side}", lambda v: v[OURS] < v[side] if OURS in v and side in v else None)


def linear(limit):
    return Goal(f"<= {limit:g} times smaller", lambda v: v[OURS] <= limit * v["smaller"] if "smaller" in v else None)


def timed(command, **kwargs):
    """(seconds of wall, seconds of CPU, output)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = run(command, timeout=3600, **kwargs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def root_tar(folder):
    """A Debian root file system of 170 MB or more as an archive."""
    root, tar = os.path.join(folder, "root"), os.path.join(folder, "base.tar")
    for deb in sorted(glob.glob(os.path.join(env.INPUTS, "work", "*.deb")) + glob.glob(os.path.join(env.INPUTS, "oracle", "*.deb"))):
        run(["dpkg-deb", "-x", deb, root])
    run(["tar", "--sort=name", "--mtime=@1700000000", "--numeric-owner", "--owner=0", "--group=0", "-C", root, "-cf", tar, "."])
    shutil.rmtree(root)
    check(os.path.getsize(tar) >= MIN_TAR, f"the root file system has {os.path.getsize(tar)} bytes only: make inputs")
    return tar


def mke2fs_of_archives():
    """A mke2fs that takes archives, built once."""
    folder = os.path.join(env.O, "bench", "e2fsprogs")
    built = os.path.join(folder, "mke2fs")
    if not os.path.exists(built):
        shutil.rmtree(folder, ignore_errors=True)
        run([os.path.join(env.ROOT, "scripts", "debian-source"), SUITE, "e2fsprogs", folder])
        source, = glob.glob(os.path.join(folder, "e2fsprogs_*.orig.tar.*"))
        run(["tar", "-xf", source, "-C", folder])
        tree, = (path for path in glob.glob(os.path.join(folder, "e2fsprogs-*")) if os.path.isdir(path))
        quiet = dict(cwd=tree, timeout=3600)
        run(["sh", "./configure", "--quiet", "--with-libarchive=direct"], **quiet)
        run(["make", "-s", "libs"], **quiet)
        run(["make", "-s", "-C", "misc", "mke2fs"], **quiet)
        shutil.copy(os.path.join(tree, "misc", "mke2fs"), built)
        shutil.rmtree(tree)
    return built


def ours(folder, tar, name="ours.img"):
    """(wall, CPU, peak memory in MiB)."""
    image = os.path.join(folder, name)
    wall, cpu, text = timed([MKEXT4, image, folder, "tar", tar])
    return wall, cpu, int(text.split()[3]) / 1024


def by_fakeroot(folder, tar, size):
    work = os.path.join(folder, "unpacked")
    mke2fs = env.program("mke2fs")
    script = f"mkdir {work} && tar -xpf {tar} -C {work} && {mke2fs} -q -t ext4 -b 4096 -d {work} {folder}/fakeroot.img {size}"
    try:
        return timed(["fakeroot", "sh", "-c", script])[:2]
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.unlink(os.path.join(folder, "fakeroot.img"))


def by_tar(mke2fs, folder, tar, size):
    image = os.path.join(folder, "tar.img")
    if os.path.exists(image):
        os.unlink(image)
    return timed([mke2fs, "-q", "-t", "ext4", "-b", "4096", "-d", tar, image, size])[:2]


def compared(bench, folder):
    tar = root_tar(folder)
    mke2fs = bench.attempt("a mke2fs that takes archives", mke2fs_of_archives)
    size = f"{os.path.getsize(tar) * 5 // 4 >> 20}M"
    found = {"fakeroot": [], "tar": [], OURS: []}
    digests = set()
    for _ in range(RUNS):
        found[OURS].append(ours(folder, tar))
        digests.add(env.sha256(os.path.join(folder, "ours.img")))
        found["fakeroot"].append(by_fakeroot(folder, tar, size))
        if mke2fs:
            found["tar"].append(by_tar(mke2fs, folder, tar, size))
    check(len(digests) == 1, "our image differs from run to run")
    run(["e2fsck", "-fn", os.path.join(folder, "ours.img")])
    os.unlink(tar)
    values = [{side: statistics.median(r[i] for r in rows) for side, rows in found.items() if rows} for i in (0, 1)]
    goals = (below("fakeroot"), below("tar"))
    memory = max(r[2] for r in found[OURS])
    return [Row("Debian root file system: wall", "s", values[0], goals), Row("Debian root file system: CPU", "s", values[1], goals),
            Row("Debian root file system: peak memory", "MiB", {OURS: memory},
                (Goal(f"<= {MEMORY_MIB}", lambda v: v[OURS] <= MEMORY_MIB),))]


def many_files(path, count, folders):
    """Empty files; the header is a template, as tarfile takes minutes for a million."""
    info = tarfile.TarInfo("d000000/f00000000")
    info.mtime = 1600000000
    head = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    base = sum(head[:148]) + 8 * 32 + sum(head[156:]) - sum(head[:17])
    with open(path, "wb") as f:
        for i in range(count):
            name = b"d%06d/f%08d" % (i % folders, i)
            head[:17] = name
            head[148:156] = b"%06o\0 " % (base + sum(name))
            f.write(head)
        f.write(bytes(1024))


def much_data(path, gib):
    """Files of 64 MiB that hold no zeros."""
    block = random.Random(1).randbytes(1 << 20)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(int(gib * 16)):
            info = tarfile.TarInfo(f"data/{i}")
            info.size = 64 << 20
            tar.addfile(info, Repeated(block, 64))


class Repeated:
    def __init__(self, block, times):
        self.block, self.left, self.at = block, times * len(block), 0

    def read(self, size):
        data = (self.block[self.at:] + self.block)[:min(size, self.left, len(self.block))]
        self.at = (self.at + len(data)) % len(self.block)
        self.left -= len(data)
        return data


def growth(folder, what, unit, sizes, make, limit, memory_goal):
    rows, before = [], None
    for size in sizes:
        tar = os.path.join(folder, "grow.tar")
        make(tar, size)
        measured = [ours(folder, tar, "grow.img") for _ in range(RUNS)]
        cpu, memory = statistics.median(m[1] for m in measured), max(m[2] for m in measured)
        if size <= 100000:
            run(["e2fsck", "-fn", os.path.join(folder, "grow.img")], timeout=3600)
        os.unlink(tar)
        os.unlink(os.path.join(folder, "grow.img"))
        each = cpu / size * (1e6 if unit == "us" else 1)
        name = f"{what.format(size)}: CPU for each"
        values = {OURS: each} if before is None else {"smaller": before, OURS: each}
        rows.append(Row(name, unit, values, () if before is None else (linear(limit),)))
        rows.append(Row(f"{what.format(size)}: peak memory", "MiB", {OURS: memory}, memory_goal))
        before = each
    return rows


def measure(bench):
    fast = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = os.path.join(fast, f"mvp-bench-{os.getpid()}") if fast else env.fresh("bench-ext4")
    os.makedirs(folder, exist_ok=True)
    limit = (Goal(f"<= {MEMORY_MIB}", lambda v: v[OURS] <= MEMORY_MIB),)
    rows = []
    try:
        rows += bench.attempt("Debian root file system", lambda: compared(bench, folder)) or []
        rows += bench.attempt("many files in folders", lambda: growth(folder, "{} files in folders of 1000", "us", FILES,
                              lambda p, n: many_files(p, n, max(1, n // 1000)), LINEAR, ())) or []
        rows += bench.attempt("many files in one folder", lambda: growth(folder, "{} files in one folder", "us", FILES[1:],
                              lambda p, n: many_files(p, n, 1), LINEAR, ())) or []
        rows += bench.attempt("much data", lambda: growth(folder, "{} GiB of data", "s", GIBS, much_data, LINEAR, limit)) or []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows

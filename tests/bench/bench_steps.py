"""Single steps of a build beside what does the same: the hash tree with its parity beside veritysetup, encryption and writing beside
OpenSSL's XTS and the disk. MVP_BENCH_LONG=1 takes 1 GiB instead of 256 MiB."""
import os
import re
import shutil
import statistics
import time

import sides  # noqa: F401: finds the kit
from kit import env
from kit.env import check, check_equal, run
from table import OURS, Goal, Row

TITLE = "Steps of a build: hash tree, parity, encryption"
COLUMNS = ("veritysetup", "limit", OURS)
NOTES = [
    "veritysetup: `veritysetup format` with two roots of parity, of the same image, salt and block size; trees, parities and roots are"
    " compared byte by byte. Ours takes all CPUs.",
    "limit: the slower of OpenSSL's AES-256-XTS over as much memory on one thread, and of writing and syncing as many bytes to the same"
    " place; ours reads an image, encrypts it, writes and syncs the container.",
    "The sides in turn, the median of 3.",
]
RUNS = 3
MIBS = 1024 if os.environ.get("MVP_BENCH_LONG") == "1" else 256
STEPS = os.path.join(env.O, "bench", "steps")
JOBS = str(os.cpu_count())
CONTAINER = "mvp-bench-container"
SALT = "01020304" + 28 * "00"


def times_faster(side, factor):
    return Goal(f">= {factor} x {side}", lambda v: v[OURS] * factor <= v[side] if OURS in v and side in v else None)


def of_limit(percent):
    return Goal(f">= {percent} % of the limit", lambda v: v[OURS] * percent / 100 <= v["limit"] if OURS in v and "limit" in v else None)


def make_image(path):
    """Half noise, a quarter text, a quarter zeros, as a system is."""
    with open(path, "wb") as f:
        for i in range(MIBS):
            f.write(os.urandom(1 << 20) if i % 4 < 2 else (b"%08d of a text\n" % i * 65536)[:1 << 20] if i % 4 == 2 else bytes(1 << 20))


def by_veritysetup(image, folder):
    tree, fec = os.path.join(folder, "tree"), os.path.join(folder, "fec")
    for path in (tree, fec):
        if os.path.exists(path):
            os.unlink(path)
    start = time.monotonic()
    text = run(["veritysetup", "format", "--no-superblock", "--salt", SALT, "--fec-device", fec, "--fec-roots", "2", image, tree],
               timeout=600).stdout
    return time.monotonic() - start, re.search(r"Root hash:\s+(\w+)", text)[1]


def same(image, folder, out):
    """Ours is the data, then veritysetup's tree, then its parity."""
    with open(out, "rb") as ours:
        for name in (image, os.path.join(folder, "tree"), os.path.join(folder, "fec")):
            with open(name, "rb") as theirs:
                while True:
                    piece = theirs.read(1 << 20)
                    if not piece:
                        break
                    check(ours.read(len(piece)) == piece, f"{name}: ours has other bytes before byte {theirs.tell()}")
        check_equal(ours.read(1), b"", "bytes behind the parity")


def verity(folder):
    image, out = os.path.join(folder, "image"), os.path.join(folder, "ours")
    found = {"veritysetup": [], OURS: []}
    for _ in range(RUNS):
        seconds, root = run([STEPS, "verity", image, folder, out, "2", JOBS], timeout=600).stdout.split()
        found[OURS].append(float(seconds))
        their_seconds, their_root = by_veritysetup(image, folder)
        found["veritysetup"].append(their_seconds)
        check_equal(root, their_root, "the root of the tree")
    same(image, folder, out)
    values = {side: statistics.median(v) for side, v in found.items()}
    return [Row(f"hash tree and parity of {MIBS} MiB", "s", values, (times_faster("veritysetup", 8),))]


def encrypt(folder, where, name):
    image, out = os.path.join(folder, "image"), os.path.join(where, CONTAINER)
    xts, written, ours = [], [], []
    try:
        for _ in range(RUNS):
            xts.append(float(run([STEPS, "xts", str(MIBS), "1"], timeout=600).stdout))
            written.append(float(run([STEPS, "write", out, str(MIBS + 16)], timeout=600).stdout))
            os.unlink(out)
            ours.append(float(run([STEPS, "encrypt", image, where, CONTAINER, JOBS], timeout=600).stdout))
    finally:
        if os.path.exists(out):
            os.unlink(out)
    limit = max(statistics.median(xts), statistics.median(written))
    return Row(f"encrypt and write {MIBS} MiB to {name}", "s", {"limit": limit, OURS: statistics.median(ours)}, (of_limit(80),))


def measure(bench):
    folder = os.path.join("/dev/shm", f"mvp-bench-{os.getpid()}")
    os.makedirs(folder)
    rows = []
    try:
        make_image(os.path.join(folder, "image"))
        rows += bench.attempt("hash tree and parity", lambda: verity(folder)) or []
        for where, name in ((folder, "memory"), (env.fresh("bench-steps"), "the disk")):
            row = bench.attempt(f"encryption to {name}", lambda w=where, n=name: encrypt(folder, w, n))
            rows += [row] if row else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows

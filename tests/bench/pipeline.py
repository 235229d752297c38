#!/usr/bin/env python3
"""pipeline.py [--large] [--rounds N] [--markdown FILE] [--sizes GIB... --] [PLACE...]: `mvpctl build` beside the same job done with the
usual tools, once plainly and once tuned by hand (pipeline_plain.sh, pipeline_tuned.sh), alternated in the same run, in each PLACE (a folder
on the disk or file system to measure). O=FOLDER names the build. Prints wall time, CPU time and ratios; exit status 3 if a goal is missed."""
import argparse
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
O = os.path.abspath(os.environ.get("O", os.path.join(ROOT, "build")))
MVPCTL = os.path.join(O, "mvpctl")
INPUTS = os.environ.get("PIPELINE_INPUTS", os.path.join(O, "bench", "pipeline"))

GIB = 1 << 30
MANIFEST = """mvp: 1
name: bench
version: 1.0
board: qemu-virt
oem: [generic]
keys: {{master: master.key}}
hypervisor: {{console: {console}}}
personas:
  personal:
    memory: 128 MiB
    cpus: 1
    boot: {{kernel: "file:kernel", initrd: none}}
    system: {{layers: [{{tar: base.tar}}, {{dir: overlay}}, {{deb: [extra/busybox-static_*.deb]}}], size: {size}}}
    userdata: {{size: 64 MiB}}
    network: none
  work:
    memory: 128 MiB
    cpus: 1
    boot: {{kernel: "file:kernel", initrd: none}}
    system: {{layers: [{{tar: base.tar}}, {{dir: overlay}}, {{deb: [extra/strace_*.deb]}}], size: {work_size}}}
    userdata: {{size: 64 MiB}}
    network: none
    encryption: {{passcode: {{file: passcode}}}}
"""
SYSTEM_MIB = 320
FORMATS = ["--format", "disk", "--format", "fastboot", "--format", "odin"]


def manifest(console="mux", work_size=None):
    size = f"{SYSTEM_MIB} MiB"
    return MANIFEST.format(console=console, size=size, work_size=work_size or size)


def prepare(large):
    """What both sides read, besides what pipeline_inputs.sh fetched."""
    subprocess.run(["sh", os.path.join(HERE, "pipeline_inputs.sh"), INPUTS] + large * ["large"], check=True)
    base = os.path.getsize(os.path.join(INPUTS, "base.tar"))
    if base < (GIB if large else 170 * 1000 * 1000):
        raise SystemExit(f"the root file system in {INPUTS} has {base} bytes only: remove that folder")
    size = 8 << 20
    with open(os.path.join(INPUTS, "kernel"), "wb") as f:
        f.write(struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, 0, size, 2, 0, 0, 0, b"ARM\x64", 0) + random.Random(1).randbytes(size - 64))
    for name, text in (("master.key", "m" * 32), ("passcode", "2580\n"), ("bench.yaml", manifest()),
                       ("policy.yaml", manifest("prefixed"))):
        path = os.path.join(INPUTS, name)
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(path, 0o600)


MEMORY = 3 * GIB  # what the longest of the jobs writes


def find_memory():
    """On a virtual machine whose host takes back what is free, each page that is used again has to be found first, which costs up to 3 s a
    GB and says nothing of the job: all begin with as much memory at hand."""
    path = "/dev/shm/mvp-bench-memory"
    piece = bytes(8 << 20)
    try:
        with open(path, "wb") as f:
            for _ in range(0, MEMORY, len(piece)):
                f.write(piece)
    except OSError:
        print("/dev/shm is too small: memory that the host has to find first counts", file=sys.stderr)
    finally:
        os.unlink(path)


def timed(command, **kwargs):
    """(wall s, CPU s, peak MiB) of the command and all it started."""
    log = os.path.join(INPUTS, "time")
    find_memory()
    os.sync()  # nobody waits for what others have written
    start = time.monotonic()
    done = subprocess.run(["/usr/bin/time", "-o", log, "-f", "%U %S %M"] + command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          **kwargs)
    wall = time.monotonic() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-3000:]}")
    user, system, peak = re.findall(r"[\d.]+", open(log, encoding="utf-8").read().splitlines()[-1])
    return wall, float(user) + float(system), int(peak) / 1024


class Place:
    """One folder to measure in."""

    def __init__(self, folder):
        self.folder = os.path.join(os.path.abspath(folder), "mvp-bench-pipeline")
        self.env = dict(os.environ, XDG_CACHE_HOME=os.path.join(self.folder, "cache"))
        self.results = {}

    def fresh(self, name):
        path = os.path.join(self.folder, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def note(self, what, result):
        print(f"{self.folder}: {what}: {result[0]:.2f} s, {result[1]:.2f} s of CPU, {result[2]:.0f} MiB", file=sys.stderr, flush=True)
        self.results.setdefault(what, []).append(result)

    def ours(self, out, name):
        return timed([MVPCTL, "build", "-q", *FORMATS, "-o", out, os.path.join(INPUTS, name)], env=self.env)

    def forget(self):
        """The peers compile no hypervisor: ours comes from the cache; everything else is made anew."""
        for kind in ("disk", "recipe", "digest", "record"):
            shutil.rmtree(os.path.join(self.folder, "cache", "mvp", kind), ignore_errors=True)

    def round(self):
        self.forget()
        out = self.fresh("ours")
        self.note("full build", self.ours(out, "bench.yaml"))
        self.note("no-op rebuild", self.ours(out, "bench.yaml"))
        shutil.rmtree(out)  # in memory the others need the room
        self.note("policy edit", self.ours(self.fresh("policy"), "policy.yaml"))
        hypervisors = os.path.join(self.folder, "cache", "mvp", "hypervisor")
        os.rename(hypervisors, hypervisors + ".kept")
        self.note("policy edit, relinked", self.ours(self.fresh("policy"), "policy.yaml"))
        shutil.rmtree(hypervisors)
        os.rename(hypervisors + ".kept", hypervisors)
        shutil.rmtree(os.path.join(self.folder, "policy"))
        for script in ("tuned", "plain"):
            self.note(script, timed(["sh", os.path.join(HERE, f"pipeline_{script}.sh"), INPUTS, self.fresh(script), str(SYSTEM_MIB)]))
            shutil.rmtree(os.path.join(self.folder, script))

    def run(self, rounds):
        self.fresh("")
        try:
            self.ours(self.fresh("warm"), "bench.yaml")  # compiles the hypervisor
            self.ours(self.fresh("warm"), "policy.yaml")
            shutil.rmtree(os.path.join(self.folder, "warm"))
            time.sleep(0.2)
            for _ in range(rounds):
                self.round()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def median(self, what, field):
        return statistics.median(r[field] for r in self.results[what])


def rows(place):
    def ratio(what, field):
        return place.median(what, field) / place.median("full build", field)
    peak = max(r[2] for r in place.results["full build"])
    yield "full build", "-", place.median("full build", 0), place.median("full build", 1), None
    for what, goal in (("plain", 10), ("tuned", 4)):
        yield f"usual tools, {what}", f">= {goal} x", place.median(what, 0), place.median(what, 1), ratio(what, 0) >= goal
        yield f"  ratio, {what}", f">= {goal} x", ratio(what, 0), ratio(what, 1), ratio(what, 0) >= goal
    yield "peak memory, MiB", "<= 150", peak, None, peak <= 150
    yield "no-op rebuild", "<= 0.1 s", place.median("no-op rebuild", 0), place.median("no-op rebuild", 1), \
        place.median("no-op rebuild", 0) <= 0.1
    yield "policy edit, the second, hypervisor linked anew", "<= 3 s", place.median("policy edit, relinked", 0), \
        place.median("policy edit, relinked", 1), place.median("policy edit, relinked", 0) <= 3
    yield "policy edit, the first, hypervisor in the cache", "<= 3 s", place.median("policy edit", 0), place.median("policy edit", 1), \
        place.median("policy edit", 0) <= 3


def sizes(place, gibs):
    """Lines of a table: the work side grows, encrypted and written whole to a GPT disk; only the hypervisor comes from the cache."""
    place.ours(place.fresh("size"), "bench.yaml")  # compiles it
    yield "| system, GiB | wall | CPU | peak memory, MiB | goal | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for gib in gibs:
        path = os.path.join(INPUTS, f"size-{gib}.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(manifest(work_size=f"{gib} GiB"))
        place.forget()
        wall, cpu, peak = timed([MVPCTL, "build", "-q", "--format", "disk", "-o", place.fresh("size"), path], env=place.env)
        shutil.rmtree(os.path.join(place.folder, "size"))
        yield f"| {gib} | {wall:.1f} | {cpu:.1f} | {peak:.0f} | <= 150 | {'met' if peak <= 150 else '**missed**'} |"


def main():
    global INPUTS, MEMORY, SYSTEM_MIB
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="a root file system of 1 GiB")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--sizes", metavar="GIB", type=int, nargs="+", help="instead: builds with a system of that size, for their memory")
    parser.add_argument("places", nargs="*", metavar="PLACE", default=["/dev/shm", O])
    args = parser.parse_args()
    if args.large:
        INPUTS, MEMORY, SYSTEM_MIB = INPUTS + "-large", 12 * GIB, 1408
    prepare(args.large)
    if args.sizes:
        place = Place(args.places[-1])
        lines = list(sizes(place, args.sizes))
        shutil.rmtree(place.folder, ignore_errors=True)
        print("\n".join(lines))
        return 3 if any("missed" in line for line in lines) else 0
    lines, missed = [], False
    for folder in args.places:
        place = Place(folder)
        load = os.getloadavg()[0]
        place.run(args.rounds)
        lines += [f"### {folder} ({args.rounds} rounds, load of the machine when it began: {load:.0f} on {os.cpu_count()} CPUs)", "",
                  "| what | goal | wall | CPU | |", "| --- | --- | --- | --- | --- |"]
        for what, goal, wall, cpu, good in rows(place):
            verdict = "" if good is None else "met" if good else "**missed**"
            missed |= good is False
            lines.append(f"| {what} | {goal} | {wall:.2f} | {'' if cpu is None else f'{cpu:.2f}'} | {verdict} |")
        lines.append("")
    print("\n".join(lines))
    if args.markdown:
        head = open(args.markdown, encoding="utf-8").read().split("### ")[0] if os.path.exists(args.markdown) else ""
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write(head + "\n".join(lines))
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The scheduler and the length of the core's entries, measured as in make bench (tests/bench), shorter; and a starved Linux."""
import os
import re
import sys
import time

from kit import build, env
from kit.cases import alone
from kit.env import check, check_equal
from kit.handset import Console

sys.path.insert(0, os.path.join(env.ROOT, "tests", "bench"))
import bench_entries  # noqa: E402
import bench_sched  # noqa: E402
import sides  # noqa: E402

SHARE = 80
# make soak takes more: then it has to answer while it starves.
STARVE_S = int(os.environ.get("MVP_STARVE_S", "25"))
STARVED_SHARE = 99
ANSWER_S = 60  # a shell with a hundredth of two simulated CPUs, most of which its kernel's own ticks take
CLOCK_S = 0.2
COMPLAINTS = r"soft lockup|hard LOCKUP|rcu.*(?:stall|kthread starved)|clocksource.*(?:unstable|skew)|blocked for more than"
PLANTED = "a planted soft lockup"


def test_shares_and_entries():
    """One handset for all: its core keeps the longest entries, which add some instructions to each."""
    guest = sides.bare_guest("sched").kernel
    disk = bench_sched.build_disk("e2e", SHARE, guest, guest, build="measure")
    with bench_sched.Rig("e2e", disk, bench_sched.SHIFT) as rig:
        rig.start()
        second, window = bench_sched.spun(rig, 2500, SHARE)
        check(second <= bench_sched.POINTS_SECOND and window <= bench_sched.POINTS_WINDOW,
              f"two spinners: {second:.2f} points off in 1 s, {window:.2f} in 100 ms")
        _, wish = bench_sched.slept(rig, 1500, bench_sched.MODEST)
        check(wish >= 99, f"a sleeper that wants 5 % of a CPU got {wish:.1f} % of that")
        greedy, _ = bench_sched.slept(rig, 2500, bench_sched.GREEDY)
        off = bench_sched.off_by(greedy, 100 - SHARE)
        check(off <= bench_sched.POINTS_SECOND + bench_sched.POINTS_WAKE_UPS, f"a greedy sleeper got {greedy}, not {100 - SHARE} %")
        found = bench_sched.switched(rig, 2500)
        between = bench_sched.swap_window(found, SHARE, 100 - SHARE)
        check(between is not None and between <= 1, f"the switch of the screen did not swap the shares: {found}")
        first, wait = bench_sched.newcomer(rig, 1000, "personal", "work")
        check(max(first, wait) <= 2 * bench_sched.SLICE_MS, f"a newcomer waited {first:.1f} ms, then the old one {wait:.1f} ms")
    longest = bench_entries.stormed("e2e-entries", disk, 1, 1000)
    check(bench_entries.NEEDED <= set(longest), f"not reached: {[bench_entries.name(k) for k in bench_entries.NEEDED - set(longest)]}")
    over = [f"{bench_entries.name(kind)}: {n}" for kind, n in longest.items() if n > bench_entries.BUDGET]
    check(not over, f"entries longer than {bench_entries.BUDGET} instructions:\n" + "\n".join(over))
    os.unlink(disk)
    return 6


STARVED = """mvp: 1
name: starved
version: 0.1.0
board: qemu-virt
oem: [generic]
keys: {{master: keys/master.key}}
hypervisor: {{foreground-share: {share}%, console: prefixed}}
personas:
  personal:
    memory: 64 MiB
    cpus: 2
    boot: {{kernel: "file:{kernel}", initrd: none}}
    network: none
"""


def _starved_disk():
    """The demo's work persona in the background of a bare one."""
    with open(build.manifest(), encoding="utf-8") as f:
        text = f.read()
    work = re.search(r"^  work:\n(?:(?:    .*)?\n)*", text, re.M)
    check(work, "the demo has no work persona")
    folder = env.fresh("starved")
    path = os.path.join(env.DEMO, "starved.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(STARVED.format(share=STARVED_SHARE, kernel=sides.bare_guest("sched").kernel) + work[0])
    out = os.path.join(folder, "out")
    try:
        env.run([env.MVPCTL, "build", "-q", "--format", "disk", "-o", out, path])
    finally:
        os.unlink(path)
    return next(os.path.join(out, n) for n in os.listdir(out) if n.endswith(".img"))


def _clocks(handset):
    """[(what, guest's seconds less the host's, at least, at most)]: the host's clock before and after the guest read its own."""
    found = []
    for what, command in (("uptime", "read -r now rest </proc/uptime; echo now $now"), ("date", "echo now $(date +%s.%N)")):
        before = time.monotonic()
        shown = handset.sh("work", command, 120)
        after = time.monotonic()
        match = re.search(r"^now (\d+\.\d+)", shown, re.M)
        check(match, f"'{command}' printed {shown!r}")
        found.append((what, float(match[1]) - after, float(match[1]) - before))
    return found


def _complaints(handset):
    return [line for line in handset.sh("work", "dmesg", 120).splitlines() if re.search(COMPLAINTS, line, re.I)]


@alone
def test_starved():
    disk = _starved_disk()
    command = [env.MVPCTL, "run", "--headless", "--cpu", "cortex-a72", "--smp", "2", disk]
    with Console(command, os.path.join(env.WORK, "log", "starved.log"), True) as handset:
        handset.expect("personal", r"bench: ready", 60)
        handset.send("mvp", f"unlock {build.passcode().decode()}")
        handset.expect("work", r"work:/# ", 240)
        handset.sh("work", f"echo 'test: {PLANTED}' >/dev/kmsg")
        before = _clocks(handset)
        start = time.monotonic()
        handset.send("personal", f"run 0 {1000 * STARVE_S} 100000 2 0 0")
        handset.sh("work", "echo here", ANSWER_S)
        answer = time.monotonic() - start
        if STARVE_S > ANSWER_S:
            check(not handset.said("personal", "^bench: done"), "the spinner was through before the starved system answered")
        handset.expect("personal", r"^bench: (done|failed)", STARVE_S + 60)
        check(time.monotonic() - start >= STARVE_S - 1, "the starvation was too short")
        after = _clocks(handset)
        for (what, low, high), (_, low_after, high_after) in zip(before, after):
            # Each is an interval that holds the distance of the two clocks.
            check(low_after <= high + CLOCK_S and high_after >= low - CLOCK_S,
                  f"{what} moved against the host's clock by {low_after - high:.2f} to {high_after - low:.2f} s")
        lines = _complaints(handset)
        check(any(PLANTED in line for line in lines), "dmesg does not show the line that was planted")
        check_equal([line for line in lines if PLANTED not in line], [], "what the starved kernel complained of")
        print(f"    {STARVE_S} s of starvation, an answer after {answer:.1f} s", flush=True)
    os.unlink(disk)
    return len(after) + 2

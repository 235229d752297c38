"""What it takes to open the work side with its passcode, at the default cost of guessing it, and to obey an order; and how long the
personal side stands still for it."""
import base64
import os

import bench_sched
import sides
from kit import env
from kit.mini import SIGNED
from kit.env import check, run
from table import OURS, Row, at_most

TITLE = "Unlocking the work persona, and obeying (hypervisor.build: measure)"
NOTES = [
    "An instruction takes 1 ns. Computed: on CPU 0, from the passcode to the volume key: PBKDF2-SHA256 of 200,000 rounds, the key slot read"
    " and merged, its digest; waiting for the disk is not in it. A wrong passcode tries every slot. The goal is a second of the slowest CPU"
    " there is, 1 GHz, at one instruction a cycle.",
    "A right passcode's first time binds it to the device, which derives one more key. At once: the longest time that the vault computed"
    " without a break, in steps of 200 us; loading: what comes after the key, until work's kernel runs (its vbmeta's RSA-4096 signature, its"
    " boot image, its memory); the order locks work, whose screen is drawn.",
    "Pause: the longest that the personal side, busy on both CPUs, was without one meanwhile. It may be a slice, 5 ms.",
]
SHIFT = 0  # 1 ns an instruction
NS_PER_TICK = 16
SECOND = 1000000000
SLICE = bench_sched.SLICE_MS * 1000000
SERIAL = "B1"
BUSY_MS = {"unlock": 2000, "order": 400, "receipt": 400}  # the vault has its share of a CPU only
WRONG, RIGHT = "1111", bench_sched.PASSCODE


def _provisioned(disk):
    """(arguments of a start, an order to lock work)."""
    folder = os.path.dirname(os.path.dirname(disk))
    keys = os.path.join(folder, "keys")
    run([env.MVPCTL, "provision", disk, "--serial", SERIAL, "--ledger", os.path.join(folder, "ledger.db"),
         "--orders-key", os.path.join(keys, "orders.pub")])
    order = os.path.join(folder, "lock.order")
    run([env.MVPCTL, "order", "lock", "--device", SERIAL, "--key", os.path.join(keys, "orders.pem"), "--counter", "1", "-o", order])
    key, = (os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".device-key"))
    with open(order, "rb") as f:
        return [f"--device-key={key}"], "order " + base64.b64encode(f.read()).decode()


def _computed(rig):
    """(sum, longest at once) in ns since the last look or try."""
    match = rig.expect("mvp", r"^computed (\d+) ticks, at most (\d+) at once\n", 240)
    return tuple(int(match[i]) * NS_PER_TICK for i in (1, 2))


def _look(rig):
    rig.send("mvp", "computed")
    return _computed(rig)


def _pause(rig, ms, line, answer):
    """Sends the line while personal is busy on both CPUs: the longest it was without one, in ns, and the answer."""
    rig.begin(personal=bench_sched.busy(ms))
    rig.send("mvp", line)
    match = rig.expect("mvp", answer, 300)
    check(rig.text["personal"].find("bench: done", rig.seen["personal"]) < 0, f"personal was done before '{line[:20]}' was")
    return NS_PER_TICK * max(most for most, _ in rig.end(600)["personal"].gap.values()), match


def measured(disk):
    sums, steps, pauses = {}, {}, {}
    arguments, order = _provisioned(disk)
    with bench_sched.Rig("unlock", disk, SHIFT, arguments=arguments) as rig:
        rig.expect("personal", "bench: ready", 120)
        rig.send("mvp", "unlock " + WRONG)
        sums["a wrong passcode"], steps["a wrong passcode"] = _computed(rig)
        rig.send("mvp", "unlock " + RIGHT)
        sums["the right one"], steps["the right one"] = _computed(rig)
        rig.expect("work", "bench: ready", 240)
        _, steps["loading work"] = _look(rig)
    with bench_sched.Rig("unlock", disk, SHIFT, arguments=arguments) as rig:
        rig.expect("personal", "bench: ready", 120)
        pauses["nothing"], _ = _pause(rig, 200, "status", "status front personal")
        pauses["a passcode"], _ = _pause(rig, BUSY_MS["unlock"], "unlock " + WRONG, r"wrong passcode")
        _look(rig)
        pauses["an order, its signature verified"], _ = _pause(rig, BUSY_MS["order"], order, r"^order (accepted)")
        _, steps["an order, its signature verified"] = _look(rig)
        pauses["a receipt, signed"], match = _pause(rig, BUSY_MS["receipt"], "receipt", r"^receipt (\d+|none)")
        check(match[1] == "1", "there is no receipt to measure")
        _, steps["a receipt, signed"] = _look(rig)
    return sums, steps, pauses


def measure(bench):
    guest = sides.bare_guest("sched").kernel
    disk = bench.attempt("a handset to unlock", lambda: bench_sched.build_disk("unlock", 80, guest, guest, build="measure", keys=SIGNED))
    if not disk:
        return []
    found = bench.attempt("unlocking", lambda: measured(disk)) or ({}, {}, {})
    rows = []
    for title, values, limit in zip(("computed: {}", "at once: {}", "pause of personal: {}"), found, (SECOND, SLICE, SLICE)):
        rows += [Row(title.format(what), "instr", {OURS: n}, (at_most(limit),)) for what, n in values.items()]
    return rows

"""What the operations that a hypervisor has a hand in cost a guest."""
import sides
from table import Row, at_most, below, over_native

TITLE = "Exit costs: a bare-metal guest (tests/bench/guest/cost.c)"
NOTES = [
    "Instructions per operation, all privilege levels and CPUs together; loops of 1024, the best of 8, less the empty loop.",
    "The interrupt rows include the guest's own shortest handler: compare with native.",
    "Xen emulates no device for its domain 0. KVM is that of Debian's kernel at EL2 without VHE, which this CPU does not have.",
    "EOI and WFI wake-up are timed one by one; WFI wake-up is from the instant the timer is due to the instruction after WFI.",
]
SIDES = ("native", "ours", "xen", "kvm")
TIMEOUT_S = {"native": 60, "ours": 120, "xen": 120, "kvm": 600}

BELOW = (below("xen"), below("kvm"))
# Name in the guest's report, in the table, the limit.
OPERATIONS = (
    ("hypercall", "hypercall (PSCI_VERSION)", (at_most(250),)),
    ("gic-read", "read of a GIC register (GICD_IIDR)", (at_most(400),)),
    ("gic-write", "write of a GIC register (GICD_ICENABLER)", BELOW),
    ("device", "read of a device register (virtio DeviceID)", (at_most(2500),)),
    ("sgi-self", "SGI to oneself: send, take, end", BELOW),
    ("ipi", "SGI to the other CPU, which sleeps, and back", BELOW),
    ("timer", "virtual timer: program, take, end", BELOW),
    ("eoi", "EOI alone", (at_most(21), over_native(0))),
    ("wfi", "WFI, woken by the virtual timer", BELOW),
)
ABSENT = {("xen", "device")}  # domain 0 has the machine's own devices
ALONE = {"eoi": "eoi-empty", "wfi": None}  # not in a loop: what to take off


def figures(report):
    """{operation: instructions} from what the guest printed, as sides.parse() returns it."""
    per_tick = sides.instructions_per_tick(report)
    found = {}
    for name, _, _ in OPERATIONS:
        ticks, count = report[name]
        base = ALONE.get(name, "empty")
        off = report[base][0] / report[base][1] if base else 0
        found[name] = (ticks / count - off) * per_tick
    return found


def measure(bench):
    guest = sides.bare_guest("cost")
    by_side = {}
    for side in SIDES:
        report = bench.report(side, guest, TIMEOUT_S[side])
        if report:
            by_side[side] = figures(report)
    return [Row(title, "instr", {side: found[name] for side, found in by_side.items() if (side, name) not in ABSENT}, goals)
            for name, title, goals in OPERATIONS]

"""The power goes in the middle of what the vault writes: instead of any of its writes and flushes, with what the disk had not made durable
lost, kept, or some of each. After the next start everything is as it was before or as it was to be, never half.

Here a few cuts of each kind; MVP_CUTS=N makes N random ones more, and all there are of the wipe (make soak)."""
import os
import random

from kit import container, env, gpt, mini
from kit.env import check, check_equal, wait_until
from kit.handset import Handset
from kit.nbd import Disk
from kit.office import Office, state

LONG = 240
PASSCODE = mini.LONG_PASSCODE
CUTS = int(os.environ.get("MVP_CUTS", "0"))
BOUND = "work: bound to this device"
JOURNAL, WORK = ("mvp_state",), ("mvp_state", "work")


class Bench:
    """One provisioned device, put back to how it was before each cut."""

    def __init__(self, name):
        self.office = Office(name, mini.signed())
        self.name, self.boots, self.said, self.operations = name, 0, "", 0
        self.kept = {path: path + ".kept" for path in (self.office.disk, self.office.ledger)}
        with open(self.office.device_key, "rb") as f:
            self.device_key = f.read()
        self.key = container.volume_key(container.copy(self.office.disk), PASSCODE.encode())
        self.keep()

    def keep(self):
        """What is there now is what the next cuts begin with."""
        for path, kept in self.kept.items():
            env.copy_sparse(path, kept)

    def again(self):
        for path, kept in self.kept.items():
            env.copy_sparse(kept, path)

    def boot(self, environment=None):
        """As far as the vault takes orders; no persona is waited for."""
        self.boots += 1
        handset = Handset(self.office.disk, f"{self.name}-{self.boots % 8}", arguments=["--device-key", self.office.device_key],
                          environment=environment)
        handset.expect("mvp", f"device {self.office.serial} of fleet", LONG)
        handset.expect("mvp", r"work: (locked|wiped|barred)\n", LONG)
        return handset

    def cut(self, watched, act, operations, torn=0, keeps=False):
        """Does act(handset) on a disk whose power goes after so many operations on these partitions. False: it had fewer."""
        parts = gpt.read(self.office.disk)
        with Disk(self.office.disk, [(parts[name].at, parts[name].length) for name in watched]) as disk:
            with self.boot(disk.environment) as handset:
                disk.arm(operations, torn)
                finished = act(handset)
                wait_until(lambda: disk.cut.is_set() or finished(), LONG, f"a cut after {operations} operations, or the end")
            self.said, self.operations = handset.text["mvp"], disk.operations
            if disk.cut.is_set():
                disk.settle(keeps)
            return disk.cut.is_set()

    def cuts(self, watched, act, points):
        """Each of these cuts in turn."""
        for operations, torn, keeps in points:
            self.again()
            check(self.cut(watched, act, operations, torn, keeps), f"no cut after {operations} operations")
            yield f"the cut after {operations} operations (torn {torn}, cache {keeps})"

    def count(self, watched, act):
        """The operations that it takes without a cut."""
        self.again()
        check(not self.cut(watched, act, 1 << 30), "a cut that was not asked for")
        return self.operations

    def opens(self, secret):
        return container.opens(container.copy(self.office.disk), secret)


def _points(some, total, seed):
    """(operations, torn, keeps) for each of some, by turns with all ends of a write and of a cache; and CUTS random ones."""
    ends = (False, True, None)
    chance = random.Random(seed)
    chosen = [(point, i % 2, random.Random(point) if ends[i % 3] is None else ends[i % 3]) for i, point in enumerate(some)]
    return chosen + [(chance.randrange(total), chance.randrange(8), random.Random(chance.randrange(1 << 30))) for _ in range(CUTS)]


def _no_receipt(handset):
    handset.send("mvp", "receipt")
    handset.expect("mvp", r"receipt none\n", LONG)


def _wipe_is_whole(bench, order):
    """Untouched and as ready to be wiped as before; or wiped, whatever was left to do. One receipt."""
    office = bench.office
    with bench.boot() as handset:
        now = state(handset)
        if now == "locked":
            key = container.volume_key(container.copy(office.disk), PASSCODE.encode())
            check_equal(key, bench.key, "the volume key of what is untouched")
            check("order accepted" not in bench.said, "an order that was accepted is forgotten")
            office.give(handset, order, "accepted")
        else:
            check(now in ("wiping", "wiped"), f"work is {now} after a cut in a wipe")
        wait_until(lambda: state(handset) == "wiped", LONG, "the wipe's end after the cut")
        check_equal(os.path.basename(office.take_receipt(handset, order, "done")), "1.receipt", "the receipt")
        _no_receipt(handset)
        handset.power_off(LONG)
    path = container.copy(office.disk)
    check(not container.is_luks(path), "a header outlived the wipe")
    with open(path, "rb") as f:
        head = f.read(container.KEYS_LEN)
    check_equal(head.count(0), len(head), "zeros where the keys were")


def test_wipe():
    bench = Bench("cut-wipe")
    order = bench.office.order("wipe")
    bench.keep()

    def act(handset):
        handset.send("mvp", "order " + bench.office.text(order))
        return lambda: handset.said("mvp", "work: wiped")

    total = bench.count(WORK, act)
    check(total > 20, f"a wipe of {total} operations")
    points = _points(range(total) if CUTS else (1, 2, total // 2, total - 4, total - 1), total, 1)
    for _ in bench.cuts(WORK, act, points):
        _wipe_is_whole(bench, order)
    return len(points)


def test_binding():
    """A key slot is written anew, as for another passcode: there is one that opens at any time, and the passcode opens it."""
    bench = Bench("cut-binding")
    plain = PASSCODE.encode()
    bound = container.bound_secret(bench.device_key, container.copy(bench.office.disk), plain)

    def act(handset):
        handset.send("mvp", f"unlock {PASSCODE}")
        return lambda: handset.said("mvp", BOUND)

    total = bench.count(("work",), act)
    check(not bench.opens(plain) and bench.opens(bound), "the slot is not bound")
    check(total >= 14, f"a change of {total} operations")
    points = _points(range(total) if CUTS else (5, 6, 8, total - 1), total, 2)
    for what in bench.cuts(("work",), act, points):
        check(bench.opens(plain) != bench.opens(bound), f"not one of the unbound and the bound secret opens after {what}")
        with bench.boot() as handset:
            handset.send("mvp", f"unlock {PASSCODE}")
            handset.expect("mvp", "work: unlocked", LONG)
        check(bench.opens(bound) and not bench.opens(plain), f"the slot is not bound after {what} and another start")
    return len(points)


def test_wrong_passcode():
    """An attempt is counted before it is answered: no cut gives one more."""
    bench = Bench("cut-attempt")

    def act(handset):
        handset.send("mvp", "unlock 9999")
        return lambda: handset.said("mvp", r"wrong passcode \(\d\)")

    total = bench.count(JOURNAL, act)
    points = _points(range(total), total, 3)
    for what in bench.cuts(JOURNAL, act, points):
        check("wrong passcode" not in bench.said, f"an attempt was answered that is not counted: {what}")
        with bench.boot() as handset:
            handset.send("mvp", "unlock 9998")
            count = int(handset.expect("mvp", r"wrong passcode \((\d)\)", LONG)[1])
            check(count in (1, 2), f"{count} attempts after {what}")
        with bench.boot() as handset:
            handset.send("mvp", "unlock 9997")
            handset.expect("mvp", rf"wrong passcode \({count + 1}\)", LONG)
    return len(points)


def test_lease():
    """A lease is taken with its receipt, or not at all."""
    bench = Bench("cut-lease")
    office = bench.office
    order = office.order("lease", "--lock-after", "1 hour", "--wipe-after", "never")
    bench.keep()

    def act(handset):
        handset.send("mvp", "order " + office.text(order))
        return lambda: handset.said("mvp", "order accepted")

    total = bench.count(JOURNAL, act)
    points = _points(range(total), total, 4)
    for what in bench.cuts(JOURNAL, act, points):
        with bench.boot() as handset:
            if "order accepted" in bench.said:
                office.take_receipt(handset, order, "done")
                _no_receipt(handset)
            # Whoever delivered it does not know: again, and it is one order.
            office.give(handset, order, "accepted")
            if "order accepted" not in bench.said:
                check_equal(os.path.basename(office.take_receipt(handset, order, "done")), "1.receipt", f"the receipt after {what}")
            _no_receipt(handset)
    return len(points)

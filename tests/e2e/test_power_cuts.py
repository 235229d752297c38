"""The power goes in the middle of what the vault writes: after the next start everything is as it was before or as it was to be, never
half.

What is written is recorded once (kit/nbd.py), and the disk of any cut is made from that: what was not flushed is lost, kept, or some of
each, and the write under way torn. A model of a cut is not a cut: QEMU is killed, too, once for each kind. Here a few places of each;
MVP_CUTS=N takes every one there is and N random ones more (make soak)."""
import contextlib
import os
import random

from kit import container, env, gpt, mini, nbd
from kit.env import check, check_equal, wait_until
from kit.handset import Handset
from kit.office import Office, state

LONG = 240
PASSCODE = mini.LONG_PASSCODE
CUTS = int(os.environ.get("MVP_CUTS", "0"))
FEW = 3
BOUND = "work: bound to this device"
JOURNAL, WORK = ("mvp_state",), ("mvp_state", "work")


class Bench:
    """One provisioned device, put back to how it was after each cut. act() begins what is cut; its result says whether that is done."""

    def __init__(self, name, watched, act, order=()):
        self.office = Office(name, mini.bare_signed())
        self.order = self.office.order(*order) if order else None
        parts = gpt.read(self.office.disk)
        self.watched = [(parts[part].at, parts[part].length) for part in watched]
        self.name, self.act, self.boots, self.changes = name, act, 0, []
        with open(self.office.device_key, "rb") as f:
            self.device_key = f.read()
        with open(self.office.ledger, "rb") as f:
            self._ledger = f.read()
        with self._served() as (disk, handset):
            disk.arm(None, mark=lambda: handset.text["mvp"])
            done = act(self, handset)
            wait_until(done, LONG, "the end of what is to be cut")
        self.log, self.said = disk.log, disk.marks

    @contextlib.contextmanager
    def _served(self):
        self.boots += 1
        with nbd.Disk(self.office.disk, self.watched) as disk:
            self.changes.append(disk.before)
            with Handset(self.office.disk, f"{self.name}-{self.boots % 8}", arguments=["--device-key", self.office.device_key],
                         environment=disk.environment) as handset:
                # As far as the vault takes orders; no persona is waited for.
                handset.expect("mvp", f"device {self.office.serial} of fleet", LONG)
                handset.expect("mvp", r"work: (locked|wiped|barred)\n", LONG)
                yield disk, handset

    @contextlib.contextmanager
    def boot(self):
        with self._served() as (_, handset):
            yield handset

    def put_back(self):
        for before in reversed(self.changes):
            nbd.put_back(self.office.disk, before)
        self.changes.clear()
        with open(self.office.ledger, "wb") as f:
            f.write(self._ledger)

    def opens(self, secret):
        return container.opens(container.copy(self.office.disk), secret)

    def kill(self, operations, torn, keeps):
        """A cut of QEMU's own disk; what the console had said."""
        with self._served() as (disk, handset):
            disk.arm(operations, torn)
            done = self.act(self, handset)
            wait_until(lambda: disk.cut.is_set() or done(), LONG, f"a cut after {operations} operations, or the end")
            check(disk.cut.is_set(), f"no cut after {operations} operations")
            disk.settle(keeps)
            return handset.text["mvp"]

    def cuts(self, places):
        """(what the console had said, which cut), one by one: at these of the watched operations; in soak at all, and at random."""
        points = sorted(self.said)
        chosen = range(len(points)) if CUTS else [place % len(points) for place in places]
        chance = random.Random(self.name)
        for n, place in enumerate([*chosen, *(chance.randrange(len(points)) for _ in range(CUTS))]):
            self.put_back()
            seed = f"{self.name} {n}"
            self.changes.append(nbd.cut(self.office.disk, self.log, points[place], random.Random(seed)))
            yield self.said[points[place]], f"the cut after {place} operations ({seed})"
        self.put_back()
        place = len(points) // 2
        said = self.kill(place, 1, random.Random(place))
        yield said, f"QEMU's end after {place} operations"


def _no_receipt(handset):
    handset.send("mvp", "receipt")
    handset.expect("mvp", r"receipt none\n", LONG)


def _wipe_is_whole(bench, said, key, what):
    """Untouched and as ready to be wiped as before; or wiped, whatever was left to do. One receipt."""
    office = bench.office
    with bench.boot() as handset:
        now = state(handset)
        if now == "locked":
            check_equal(container.volume_key(container.copy(office.disk), PASSCODE.encode()), key, f"the volume key after {what}")
            check("order accepted" not in said, f"an order that was accepted is forgotten after {what}")
            office.give(handset, bench.order, "accepted")
        else:
            check(now in ("wiping", "wiped"), f"work is {now} after {what}")
        wait_until(lambda: state(handset) == "wiped", LONG, f"the wipe's end after {what}")
        check_equal(os.path.basename(office.take_receipt(handset, bench.order, "done")), "1.receipt", f"the receipt after {what}")
        _no_receipt(handset)
    path = container.copy(office.disk)
    check(not container.is_luks(path), f"a header outlived the wipe: {what}")
    with open(path, "rb") as f:
        head = f.read(container.KEYS_LEN)
    check_equal(head.count(0), len(head), f"zeros where the keys were, after {what}")


def _give(bench, handset):
    handset.send("mvp", "order " + bench.office.text(bench.order))


def _wipe(bench, handset):
    _give(bench, handset)
    return lambda: handset.said("mvp", "work: wiped")


def test_wipe():
    bench = Bench("cut-wipe", WORK, _wipe, ("wipe",))
    check(len(bench.said) > 20, f"a wipe of {len(bench.said)} operations")
    bench.put_back()
    key = container.volume_key(container.copy(bench.office.disk), PASSCODE.encode())
    count = 0
    for said, what in bench.cuts((2, len(bench.said) // 3, -3)):
        _wipe_is_whole(bench, said, key, what)
        count += 1
    return count


def _bind(_, handset):
    handset.send("mvp", f"unlock {PASSCODE}")
    return lambda: handset.said("mvp", BOUND)


def test_binding():
    """A key slot is written anew, as for another passcode: there is one that opens at any time, and the passcode opens it."""
    bench = Bench("cut-binding", ("work",), _bind)
    plain, count = PASSCODE.encode(), 0
    bound = container.bound_secret(bench.device_key, container.copy(bench.office.disk), plain)
    check(not bench.opens(plain) and bench.opens(bound), "the slot is not bound")
    check(len(bench.said) >= 14, f"a change of {len(bench.said)} operations")
    for _, what in bench.cuts((6, 8, -1)):
        check(bench.opens(plain) != bench.opens(bound), f"not one of the unbound and the bound secret opens after {what}")
        with bench.boot() as handset:
            handset.send("mvp", f"unlock {PASSCODE}")
            handset.expect("mvp", "work: unlocked", LONG)
        check(bench.opens(bound) and not bench.opens(plain), f"the slot is not bound after {what} and another start")
        count += 1
    return count


def _fail(_, handset):
    handset.send("mvp", "unlock 9999")
    return lambda: handset.said("mvp", r"wrong passcode \(\d\)")


def test_wrong_passcode():
    """An attempt is counted before it is answered: no cut gives one more."""
    bench = Bench("cut-attempt", JOURNAL, _fail)
    count = 0
    for said, what in bench.cuts(range(FEW)):
        check("wrong passcode" not in said, f"an attempt was answered that is not counted: {what}")
        with bench.boot() as handset:
            handset.send("mvp", "unlock 9998")
            tries = int(handset.expect("mvp", r"wrong passcode \((\d)\)", LONG)[1])
            check(tries in (1, 2), f"{tries} attempts after {what}")
        count += 1
    return count


def _lease(bench, handset):
    _give(bench, handset)
    return lambda: handset.said("mvp", "order accepted")


def test_lease():
    """A lease is taken with its receipt, or not at all."""
    bench = Bench("cut-lease", JOURNAL, _lease, ("lease", "--lock-after", "1 hour", "--wipe-after", "never"))
    office, count = bench.office, 0
    for said, what in bench.cuts(range(FEW)):
        with bench.boot() as handset:
            # Whoever delivered it does not know: again, and it is one order.
            if "order accepted" in said:
                office.take_receipt(handset, bench.order, "done")
                _no_receipt(handset)
            office.give(handset, bench.order, "accepted")
            if "order accepted" not in said:
                check_equal(os.path.basename(office.take_receipt(handset, bench.order, "done")), "1.receipt", f"the receipt after {what}")
            _no_receipt(handset)
        count += 1
    return count

"""Orders that `mvpctl order` makes, to a handset that obeys or refuses, with receipts that are verified."""
from kit import build
from kit.device import ORDER_TYPE, Key, cbor, sign1
from kit.env import check_equal
from kit.office import LONG, Office, state


def _flipped(order):
    """With another signature."""
    with open(order, "rb") as f:
        data = bytearray(f.read())
    data[-1] ^= 1
    return bytes(data)


def test_refusals():
    """Whatever is not signed, stale, for another one or unknown: a signed refusal, and nothing has changed."""
    office = Office("refusals")
    with office.boot("refusals") as handset:
        handset.personal_ready(LONG)
        handset.unlock(build.passcode().decode(), LONG)
        good = office.order("lock")
        office.refused(handset, office.order("wipe", "--counter", "99", device="B2"), "device")
        office.refused(handset, office.order("wipe", "--counter", "0"), "stale")
        bad = office.path("bad.order")
        with open(bad, "wb") as f:
            f.write(_flipped(good))
        office.refused(handset, bad, "signature")
        stranger = Key(office.folder, "stranger")
        forged = office.path("forged.order")
        office.mvpctl("order", "wipe", "--device", "A1", "--key", stranger.path, "--counter", "99", "-o", forged)
        office.refused(handset, forged, "signature")
        unknown = office.path("unknown.order")
        with open(unknown, "wb") as f, open(office.key, "rb") as key:
            orders = Key.__new__(Key)
            orders.path = key.name
            f.write(sign1(orders, ORDER_TYPE, cbor({1: 1, 2: 77, 3: "A1", 5: 99, 6: 1795939200})))
        office.refused(handset, unknown, "unknown")
        check_equal(state(handset), "running", "work after orders that were refused")

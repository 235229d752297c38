"""Orders that `mvpctl order` makes, to a handset that obeys or refuses, with receipts that are verified. Personas are bare-metal programs;
an order that comes to a Linux is in test_wipe.py."""
import base64
import os
import secrets
import time

from kit import container, mini
from kit.device import ORDER_TYPE, Key, cbor, sign1
from kit.env import check, check_equal, run, wait_until
from kit.memory import Memory, round_keys
from kit.office import LONG, Office, state

PASSCODE = mini.LONG_PASSCODE


def _flipped(order):
    """With another signature."""
    with open(order, "rb") as f:
        data = bytearray(f.read())
    data[-1] ^= 1
    return bytes(data)


def _both_run(handset):
    handset.unlock(PASSCODE)
    for persona in ("personal", "work"):
        handset.expect(persona, mini.BARE_READY, LONG)


def test_refusals():
    """Whatever is not signed, stale, for another one or unknown: a signed refusal, and nothing has changed."""
    office = Office("refusals", mini.bare_signed())
    with office.boot_mini("refusals") as handset:
        handset.expect("mvp", "device A1 of fleet sales", LONG)
        _both_run(handset)
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


def _becomes(handset, wanted, what):
    wait_until(lambda: state(handset) == wanted, LONG, f"work is {wanted} {what}")


def _in_memory(handset, key):
    with handset.qmp.paused():
        return Memory(handset.qmp).find(key)


def _lock(office, handset, key):
    """Locked, work is gone from memory, and no passcode opens it until it may."""
    check(_in_memory(handset, key), "the search of memory does not find the volume key while work is open")
    office.obeyed(handset, office.order("lock", "--reason", "audit"))
    wait_until(lambda: handset.said("mvp", "work: stopped, its memory is scrubbed"), LONG, "work's memory is scrubbed")
    check_equal(state(handset), "barred", "work after a lock")
    check(not _in_memory(handset, key), "the volume key is in memory after a lock")
    handset.send("mvp", f"unlock {PASSCODE}")
    handset.expect("mvp", "no persona is locked", LONG)
    check_equal(state(handset, "personal"), "running", "personal after a lock")


def _allow(office, handset):
    office.obeyed(handset, office.order("unlock-allow"))
    check_equal(state(handset), "locked", "work after unlock-allow")
    handset.skip("work")
    handset.send("mvp", f"unlock {PASSCODE}")
    handset.expect("work", mini.BARE_READY, LONG)  # from its beginning


def _attest(office, handset, work):
    """What runs there, in the state that it is in; the measurement is the build's own."""
    nonce = secrets.token_hex(16)
    handset.send("mvp", f"attest {nonce}")
    path = office.path(nonce)
    with open(path, "wb") as f:
        f.write(base64.b64decode(handset.expect("mvp", r"attest (\S+)\n", LONG)[1], validate=True))
    office.mvpctl("attest", "verify", path, "--ledger", office.ledger, "--nonce", nonce)
    said = office.json("order", "show", path)
    check_equal((said["device"], said["work"]), ("A1", work), "what the attestation says")
    office.mvpctl("attest", "verify", path, "--ledger", office.ledger, "--nonce", secrets.token_hex(16), status=6)
    return said


def _lease(office, handset):
    """It runs out, and work is locked; a new one begins."""
    office.obeyed(handset, office.order("lease", "--lock-after", "1 hour", "--wipe-after", "never"))
    check_equal(state(handset), "running", "work under a new lease")
    past = str(int(time.time()) - 7200)
    office.obeyed(handset, office.order("lease", "--lock-after", "1 hour", "--wipe-after", "30 days", "--issued", past))
    _becomes(handset, "barred", "after the lease's t1")
    office.obeyed(handset, office.order("lease", "--lock-after", "7 days", "--wipe-after", "30 days"))
    _becomes(handset, "locked", "under the next lease")


def _rotate(office, handset):
    """From now on another key's orders, and not the old one's."""
    new = Key(office.folder, "next-orders")
    public = office.path("next-orders.pub")
    run(["openssl", "ec", "-in", new.path, "-pubout", "-out", public])
    old_order = office.path("old.order")
    office.obeyed(handset, office.order("rotate-key", "--new-key", public))
    office.mvpctl("order", "lock", "--device", "A1", "--key", office.key, "--counter", "1000", "-o", old_order)
    office.refused(handset, old_order, "signature")
    office.key = new.path
    office.obeyed(handset, office.order("unlock-allow"))


def _lease_ends(office, handset):
    """At t2 work is wiped, without an order; the receipt says why."""
    past = str(int(time.time()) - 7200)
    office.obeyed(handset, office.order("lease", "--lock-after", "1 hour", "--wipe-after", "90 minutes", "--issued", past))
    wait_until(lambda: handset.said("mvp", "work: wiped"), LONG, "work is wiped")
    handset.send("mvp", "receipt")
    match = handset.expect("mvp", r"receipt (\d+) (\S+)\n", LONG)
    path = office.path("lease.receipt")
    with open(path, "wb") as f:
        f.write(base64.b64decode(match[2], validate=True))
    said = office.json("order", "verify", path, "--ledger", office.ledger, "--record")
    check_equal((said["cause"], said["action"], said["outcome"], said["missing"]), ("lease", "wipe", "done", 0),
                "the receipt of the lease's end")


def test_orders_are_obeyed():
    office = Office("obeyed", mini.bare_signed())
    key = round_keys(container.volume_key(container.copy(office.disk), PASSCODE.encode())[:32])[7]
    with office.boot_mini("obeyed") as handset:
        _both_run(handset)
        open_state = _attest(office, handset, "open")
        _lock(office, handset, key)
        _attest(office, handset, "barred")
        _allow(office, handset)
        _lease(office, handset)
        _rotate(office, handset)
        _lease_ends(office, handset)
        wiped = _attest(office, handset, "wiped")
        check_equal(wiped["measurement"], open_state["measurement"], "the measurement of one start")
        handset.power_off(LONG)
    with office.boot_mini("obeyed-again") as handset:
        handset.expect("personal", mini.BARE_READY, LONG)
        check_equal(state(handset), "wiped", "work after the lease's end and a new start")
    return 7


def test_order_that_the_board_brings():
    """`mvpctl run --order`: the vault takes it before anybody asks, and its receipt comes on the console by itself; the same one at the next
    start with the same order."""
    office = Office("board-order", mini.bare_signed())
    order, path, kept = office.order("wipe"), office.path("board.receipt"), office.path("kept.receipt")
    receipts = set()
    for start in range(2):
        with office.boot_mini(f"board-order-{start}", "--order", order, "--receipt", path) as handset:
            match = handset.expect("mvp", r"receipt (\d+) (\S+)\n", LONG)
            check_equal(state(handset), "wiped", "work after the board's order")
            receipts.add(base64.b64decode(match[2], validate=True))
            wait_until(lambda: handset.said("mvp", "personal: started"), LONG, "the personal side starts")
            wait_until(lambda: os.path.exists(path), LONG, "the receipt in its file")
            handset.power_off(LONG)
        with open(path, "rb") as f:
            receipts.add(f.read())
        os.rename(path, kept)
    check_equal(len(receipts), 1, "receipts for one order")
    check_equal(office.judge(kept, order, "done")["number"], 1, "number of the receipt")

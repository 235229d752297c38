"""A flash that somebody else wrote to: what is not as it was signed or sealed is not started or opened, the console and the screen say why,
and the side that is sound goes on."""
import os
import random
import struct

from kit import container, env, gpt, mini
from kit.env import check, check_equal, wait_until
from kit.office import Office, state
from kit.qmp import shows_reason

LONG = 240
PASSCODE = mini.LONG_PASSCODE
HEADER = 0x4000  # bytes of each of a container's headers
KERNEL_END = 4096 + mini.BARE_LEN  # in a boot image: behind the kernel's first byte, and before its last


class Flash:
    """A provisioned device's flash, for one mutation after the other."""

    def __init__(self, name, image=None):
        self.office = Office(name, image or mini.bare_signed())
        self.kept = self.office.path("kept.img")
        self.parts = gpt.read(self.office.disk)
        self.keep()

    def keep(self):
        env.copy_sparse(self.office.disk, self.kept)

    def again(self):
        env.copy_sparse(self.kept, self.office.disk)

    def read(self, at, length):
        with open(self.office.disk, "rb") as f:
            f.seek(at)
            return f.read(length)

    def write(self, at, data):
        with open(self.office.disk, "r+b") as f:
            f.seek(at)
            f.write(data)

    def flip(self, at, bit=1):
        self.write(at, bytes([self.read(at, 1)[0] ^ bit]))

    def personal(self, name):
        """Where a partition of personal's own disk begins."""
        return gpt.read(self.office.disk, self.parts["personal"].at)[name].at

    def work(self, name):
        """The same for work, whose disk is laid out alike, in its ciphertext."""
        return self.parts["work"].at + container.KEYS_LEN + self.personal(name) - self.parts["personal"].at


def _shows_reason(handset):
    wait_until(lambda: shows_reason(handset.screen()), 30, "the screen shows a reason")


def _personal_refused(flash, log, why):
    """It is not started; work opens nevertheless."""
    with flash.office.boot_mini(log) as handset:
        handset.expect("mvp", f"personal: not started: {why}", LONG)
        check_equal(state(handset, "personal"), "failed", "personal")
        _shows_reason(handset)
        handset.unlock(PASSCODE)
        handset.expect("mvp", "work: started", LONG)
        check(handset.silent("personal"), "something of personal ran")


def _work_refused(flash, log, unlocks, why):
    with flash.office.boot_mini(log) as handset:
        handset.expect("mvp", "personal: started", LONG)
        if unlocks:
            handset.unlock(PASSCODE)
        wait_until(lambda: handset.said("mvp", why), LONG, why)
        handset.send("mvp", "switch")
        handset.expect("mvp", "front work", LONG)
        _shows_reason(handset)
        check(not handset.said("mvp", "work: started"), "work was started")
        check(handset.silent("work"), "something of work ran")


def test_personal():
    flash = Flash("tamper-personal")
    vbmeta, boot = flash.personal("vbmeta"), flash.personal("boot")
    authentication, = struct.unpack(">Q", flash.read(vbmeta + 12, 8))
    auxiliary = vbmeta + 256 + authentication
    # Signature, signed header, a descriptor's digest, the public key; the kernel's last page; no vbmeta at all.
    mutations = {
        "signature": (lambda: flash.flip(vbmeta + 256 + 40), "the signature of its vbmeta is wrong"),
        "header": (lambda: flash.flip(vbmeta + 119), "its vbmeta was changed"),
        "descriptor": (lambda: flash.flip(auxiliary + 150), "its vbmeta was changed"),
        "kernel": (lambda: flash.flip(boot + KERNEL_END), "its boot image is not what was signed"),
        "no vbmeta": (lambda: flash.write(vbmeta, bytes(65536)), "it has no vbmeta"),
    }
    for name, (mutate, why) in mutations.items():
        flash.again()
        mutate()
        _personal_refused(flash, "tamper-personal", why)
    return len(mutations)


def test_work():
    flash = Flash("tamper-work")
    work = flash.parts["work"].at
    slot = work + 2 * HEADER

    def both_headers():
        for copy in range(2):
            flash.flip(work + copy * HEADER + 5000)

    mutations = {
        "vbmeta": (lambda: flash.flip(flash.work("vbmeta") + 100), True, "work: not started: "),
        "boot": (lambda: flash.flip(flash.work("boot") + KERNEL_END), True, "work: not started: its boot image is not what was signed"),
        "headers": (both_headers, False, "work: no LUKS2 header that is sound"),
        "key material": (lambda: flash.flip(slot + 100000), True, r"work: wrong passcode \(1\)"),
        "journal": (lambda: [flash.flip(flash.parts["mvp_state"].at + copy * 0x10000 + 100) for copy in range(2)], False,
                    "tampered with: its journal is lost"),
        "identity": (lambda: [flash.flip(flash.parts["mvp_keys"].at + copy * 0x10000 + 20) for copy in range(2)], False,
                     "tampered with: its identity is not this device's"),
        "journal gone": (lambda: flash.write(flash.parts["mvp_state"].at, bytes(0x20000)), False, "tampered with: its journal is lost"),
    }
    for name, (mutate, unlocks, why) in mutations.items():
        flash.again()
        mutate()
        if name in ("journal", "identity", "journal gone"):
            _sealed(flash, "tamper-work", why)
        else:
            _work_refused(flash, "tamper-work", unlocks, why)
    return len(mutations)


def _sealed(flash, log, why):
    """Nothing of work is opened, whoever knows the passcode, and no order is taken by a device that may be another."""
    with flash.office.boot_mini(log) as handset:
        handset.expect("mvp", why, LONG)
        handset.expect("mvp", "personal: started", LONG)
        check_equal(state(handset), "failed", "work of a device that was tampered with")
        handset.send("mvp", f"unlock {PASSCODE}")
        handset.expect("mvp", "no persona is locked", LONG)
        handset.send("mvp", "switch")
        handset.expect("mvp", "front work", LONG)
        _shows_reason(handset)


def test_one_copy_is_enough():
    """A single damaged copy of header, journal or identity is what a power cut leaves: it opens."""
    flash = Flash("tamper-one")
    for copy in (0, 1):
        flash.again()
        flash.flip(flash.parts["work"].at + copy * HEADER + 5000)
        flash.flip(flash.parts["mvp_keys"].at + copy * 0x10000 + 20)
        with flash.office.boot_mini("tamper-one") as handset:
            handset.expect("mvp", "device A1", LONG)
            handset.expect("mvp", r"work: locked\n", LONG)
            handset.send("mvp", f"unlock {PASSCODE}")
            handset.expect("mvp", "work: started", LONG)
    # Both gone, and who it was and how often somebody tried with them: what this device opened is bound to that.
    for name in ("mvp_keys", "mvp_state"):
        flash.write(flash.parts[name].at, bytes(0x20000))
    with flash.office.boot_mini("tamper-none") as handset:
        handset.expect("mvp", "not provisioned: takes no orders", LONG)
        handset.expect("mvp", r"work: locked\n", LONG)
        handset.send("mvp", f"unlock {PASSCODE}")
        handset.expect("mvp", "work: not unlocked: it is bound to a device whose identity is not here", LONG)
        check_equal(state(handset), "locked", "work of a device whose identity was erased")
    return 3


def test_rollback():
    """What has run is the oldest that may: an image of before, well signed, is refused."""
    old = mini.bare_signed()
    new = mini.disk("newer", keys=mini.SIGNED, passcode=PASSCODE, personal="security-version: 2", **mini.bare())
    flash = Flash("tamper-rollback", new)
    with flash.office.boot_mini("rollback-1") as handset:
        handset.expect("mvp", "personal: started", LONG)
        handset.send("mvp", "poweroff")
        check_equal(handset.wait(LONG), 0, "the end of the newer one")
    before = gpt.read(old)["personal"]
    with open(old, "rb") as f:
        f.seek(before.at)
        flash.write(flash.parts["personal"].at, f.read(before.length))
    _personal_refused(flash, "rollback-2", "it is older than what has run before")
    return 1


def test_orders():
    """Any byte of an order changed: refused, with a receipt that says so, and nothing has happened."""
    office = Office("tamper-orders", mini.bare_signed())
    chance = random.Random(5)
    with open(office.order("wipe"), "rb") as f:
        good = f.read()
    with office.boot_mini("tamper-orders") as handset:
        handset.expect("mvp", "personal: started", LONG)
        for at in sorted(chance.sample(range(len(good)), 12)):
            bad = bytearray(good)
            bad[at] ^= 1 << chance.randrange(8)
            path = office.path(f"bad-{at}.order")
            with open(path, "wb") as f:
                f.write(bad)
            office.give(handset, path, "refused")
            handset.send("mvp", "receipt")
            number = handset.expect("mvp", r"receipt (\d+) \S+\n", LONG)[1]
            handset.send("mvp", f"receipt-done {number}")
            handset.expect("mvp", r"ok\n", LONG)
        check_equal(state(handset), "locked", "work after orders that were tampered with")
        # The one that was not.
        good_path = os.path.join(office.folder, "good.order")
        with open(good_path, "wb") as f:
            f.write(good)
        office.give(handset, good_path, "accepted")
        handset.expect("mvp", "work: wiped", LONG)
    return 13

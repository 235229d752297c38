"""The enterprise's office: provisions a device, makes orders by `mvpctl order`, and verifies the receipts that come back, by `mvpctl` and
by openssl and cbor2."""
import base64
import json
import os

from . import env, mini
from .device import digest
from .env import check, check_equal, run

LONG = 300  # a machine that many tests share
ORACLE = os.path.join(env.ROOT, "tests", "cli", "order", "oracle.py")
P256_DER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # SubjectPublicKeyInfo up to the point (RFC 5480, 2)


class Office:
    """A folder with a provisioned flash, a ledger, and the keys that order it about. image: of mini.disk()."""

    def __init__(self, name, image, serial="A1"):
        self.folder = env.fresh("office", name)
        self.disk = self.path("flash.img")
        self.ledger = self.path("ledger.db")
        self.serial = serial
        keys = mini.keys_folder(image)
        self.key = os.path.join(keys, "orders.pem")
        env.copy_sparse(image, self.disk)
        self.mvpctl("provision", self.disk, "--serial", serial, "--fleet", "sales", "--ledger", self.ledger,
                    "--orders-key", os.path.join(keys, "orders.pub"))
        self.device_key = self.path(serial + ".device-key")
        check_equal(os.stat(self.device_key).st_mode & 0o777, 0o600, "mode of the device key")
        check_equal(os.path.getsize(self.device_key), 32, "length of the device key")
        self.orders = 0
        # The device's public key for other tools.
        point = bytes.fromhex(self.json("ledger", "show", self.ledger, serial)["device-public"])
        with open(self.path("device.der"), "wb") as f:
            f.write(P256_DER + point)
        run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", self.path("device.der"), "-out", self.path("device.pub")])

    def path(self, name):
        return os.path.join(self.folder, name)

    def mvpctl(self, *arguments, **kwargs):
        return run([env.MVPCTL, *arguments], **kwargs)

    def json(self, *arguments):
        return json.loads(self.mvpctl(*arguments, "--json").stdout)

    def order(self, action, *more, device=None, key=None):
        """The order's file."""
        device = device or self.serial
        self.orders += 1
        path = self.path(f"{self.orders}.order")
        ledger = ["--ledger", self.ledger] if device == self.serial else []
        self.mvpctl("order", action, "--device", device, "--key", key or self.key, *ledger, "-o", path, *more)
        return path

    def boot_mini(self, log, *options):
        return mini.Mini(self.disk, log, options=(f"--device-key={self.device_key}", *options))

    def text(self, order):
        with open(order, "rb") as f:
            return base64.b64encode(f.read()).decode()

    def give(self, handset, order, answer):
        handset.send("mvp", "order " + self.text(order))
        handset.expect("mvp", rf"order {answer}\n", LONG)

    def judge(self, receipt, order, outcome):
        """The file is a receipt for this order, in two views of it."""
        done = ["--done"] if outcome == "done" else []
        said = self.json("order", "verify", receipt, "--ledger", self.ledger, "--order", order, "--record", *done)
        check_equal((said["outcome"], said["recorded"], said["missing"]), (outcome, True, 0), "the receipt")
        if outcome != "done":
            self.mvpctl("order", "verify", receipt, "--ledger", self.ledger, "--done", status=6)
        oracle = run(["/usr/bin/python3", ORACLE, receipt, self.path("device.pub")]).stdout
        check("Verified OK" in oracle, f"openssl does not verify the receipt: {oracle}")
        with open(order, "rb") as f:
            check(repr(digest(f.read())) in oracle, "the receipt is not of the order, says cbor2")
        return said

    def take_receipt(self, handset, order, outcome):
        """The receipt for this order, out of the handset, verified in two ways and acknowledged. Its file."""
        handset.send("mvp", "receipt")
        match = handset.expect("mvp", r"receipt (\d+) (\S+)\n", LONG)
        path = self.path(f"{match[1]}.receipt")
        with open(path, "wb") as f:
            f.write(base64.b64decode(match[2], validate=True))
        check_equal(self.judge(path, order, outcome)["number"], int(match[1]), "number of the receipt")
        handset.send("mvp", f"receipt-done {match[1]}")
        handset.expect("mvp", r"ok\n", LONG)
        return path

    def obeyed(self, handset, order):
        self.give(handset, order, "accepted")
        return self.take_receipt(handset, order, "done")

    def refused(self, handset, order, why):
        self.give(handset, order, "refused")
        return self.take_receipt(handset, order, why)


def state(handset, persona="work"):
    handset.skip("mvp")
    handset.send("mvp", "status")
    return handset.expect("mvp", rf"status {persona} (\w+)\n", LONG)[1]

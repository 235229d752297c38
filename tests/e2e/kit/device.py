"""A provisioned device, and the enterprise that orders it about: written from vmm/include/mvp/{identity,state,order}.h, apart from the
project's own code. Signatures are openssl's."""
import base64
import hashlib
import hmac
import os
import secrets
import struct
import subprocess
import tempfile
import time
import zlib

from . import env, gpt
from .env import check, check_equal, run

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256

ORDER_TYPE = "application/vnd.mvp.order+cbor"
RECEIPT_TYPE = "application/vnd.mvp.receipt+cbor"
ATTEST_TYPE = "application/vnd.mvp.attest+cbor"
WIPE, LOCK, UNLOCK_ALLOW, LEASE, ROTATE_KEY = 1, 2, 3, 4, 5
BY_ORDER, BY_PASSCODES, BY_LEASE = 1, 2, 3
DONE, MALFORMED, SIGNATURE, DEVICE, STALE, UNKNOWN, WIPED = 1, 2, 3, 4, 5, 6, 7

STATE_LEN, STATE_COPY = 4096, 0x10000


# CBOR: integers, byte and text strings, lists, maps, and a tag as ("tag", number, item)

def _head(major, value):
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << 8 * size:
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(item):
    if isinstance(item, int):
        return _head(0, item) if item >= 0 else _head(1, -1 - item)
    if isinstance(item, bytes):
        return _head(2, len(item)) + item
    if isinstance(item, str):
        return _head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return _head(4, len(item)) + b"".join(cbor(i) for i in item)
    if isinstance(item, dict):
        return _head(5, len(item)) + b"".join(cbor(k) + cbor(v) for k, v in sorted(item.items()))
    _, number, inner = item
    return _head(6, number) + cbor(inner)


def _decode(data, at):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    value = info
    if info >= 24:
        size = 1 << info - 24
        value, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major < 2:
        return (value if major == 0 else -1 - value), at
    if major < 4:
        text = data[at:at + value]
        return (text if major == 2 else text.decode()), at + value
    if major == 6:
        inner, at = _decode(data, at)
        return ("tag", value, inner), at
    items = []
    for _ in range(value if major == 4 else 2 * value):
        item, at = _decode(data, at)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def uncbor(data):
    item, at = _decode(data, 0)
    check_equal(at, len(data), "length of a CBOR item")
    check_equal(cbor(item), data, "a CBOR item, encoded again")
    return item


# Keys and signatures, by openssl

def _openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


class Key:
    """A P-256 key pair in a PEM file."""

    def __init__(self, folder, name, secret=None):
        self.path = os.path.join(folder, name + ".pem")
        if secret is None:
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)
        else:  # SEC 1, C.4: ECPrivateKey with the curve and no public key
            der = bytes.fromhex("30310201010420") + secret + bytes.fromhex("a00a06082a8648ce3d030107")
            with open(self.path, "wb") as f:
                f.write(_openssl("ec", "-inform", "DER", data=der))
        self.point = _openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-65:]
        check(self.point[0] == 4, "not an uncompressed point")

    def sign(self, data):
        der = _openssl("dgst", "-sha256", "-sign", self.path, data=data)
        r_len = der[3]
        r, s = der[4:4 + r_len], der[6 + r_len:]
        return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))

    def verify(self, data, signature):
        def integer(n):
            n = n.lstrip(b"\0") or b"\0"
            n = (b"\0" if n[0] & 0x80 else b"") + n
            return b"\x02" + bytes([len(n)]) + n
        body = integer(signature[:32]) + integer(signature[32:])
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\x30" + bytes([len(body)]) + body)
            f.flush()
            done = subprocess.run(["openssl", "dgst", "-sha256", "-prverify", self.path, "-signature", f.name], input=data,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.returncode == 0


def sign1(key, kind, payload):
    protected = cbor({1: -7, 3: kind})
    signature = key.sign(cbor(["Signature1", protected, b"", payload]))
    return cbor(("tag", 18, [protected, {}, payload, signature]))


def open1(key, kind, message):
    """The payload of a message; fails if its signature is not the key's."""
    _, tag, (protected, unprotected, payload, signature) = uncbor(message)
    check_equal((tag, unprotected), (18, {}), "frame of a message")
    check_equal(uncbor(protected), {1: -7, 3: kind}, "protected header of a message")
    check(key.verify(cbor(["Signature1", protected, b"", payload]), signature), "a signature of the device is wrong")
    return uncbor(payload)


def order(key, action, counter, serial=None, fleet=None, issued=None, reason=None, **more):
    """more: lock_after, wipe_after, new_key, and key_N=value for what should not be there."""
    fields = {1: 1, 2: action, 3: serial, 4: fleet, 5: counter, 6: int(time.time()) if issued is None else issued, 7: reason,
              8: more.pop("lock_after", None), 9: more.pop("wipe_after", None), 10: more.pop("new_key", None)}
    fields |= {int(name[4:]): value for name, value in more.items()}
    return sign1(key, ORDER_TYPE, cbor({k: v for k, v in fields.items() if v is not None}))


def digest(message):
    return hashlib.sha256(message).digest()


class Device:
    """A flash image, provisioned: its key in a file for `mvpctl run`, and the enterprise's order key."""

    def __init__(self, disk, folder, serial="TEST-0001", fleet="testers", provision=True):
        self.disk, self.serial, self.fleet = disk, serial, fleet
        self.secret = secrets.token_bytes(32)
        self.key_file = os.path.join(folder, "device.key")
        with open(self.key_file, "wb") as f:
            f.write(self.secret)
        self.orders = Key(folder, "orders")
        d = next(d for d in (self._derive(b"mvp device signing key 1" + bytes([c])) for c in range(256))
                 if 0 < int.from_bytes(d, "big") < ORDER)
        self.signing = Key(folder, "device-signing", d)
        self.parts = gpt.read(disk)
        if provision:
            self.provision()

    def _derive(self, label):
        return hmac.digest(self.secret, label, "sha256")

    def provision(self):
        record = struct.pack("<8sII64s64s65s65s6xQ", b"MVPIDENT", 1, 320, self.serial.encode(), self.fleet.encode(), self.signing.point,
                             self.orders.point, int(time.time()))
        record += hmac.digest(self._derive(b"mvp identity 1"), record, "sha256")
        for copy in range(2):
            self.write("mvp_keys", copy * 0x10000, record)
        state = struct.pack("<8sIIQ", b"MVPSTATE", 1, STATE_LEN, 0).ljust(STATE_LEN - 36, b"\0")
        self.write("mvp_state", 0, self.seal(state))
        self.write("mvp_state", STATE_COPY, bytes(STATE_LEN))

    def seal(self, state):
        """A state record without its last 36 bytes gets them."""
        state += struct.pack("<I", zlib.crc32(state))
        return state + hmac.digest(self._derive(b"mvp state 1"), state, "sha256")

    def write(self, part, at, data):
        with open(self.disk, "r+b") as f:
            f.seek(self.parts[part].at + at)
            f.write(data)

    def read(self, part, at, length):
        with open(self.disk, "rb") as f:
            f.seek(self.parts[part].at + at)
            return f.read(length)

    def state(self):
        """The record that counts, as bytes: the sound one with the highest sequence number."""
        best = None
        for copy in range(2):
            record = self.read("mvp_state", copy * STATE_COPY, STATE_LEN)
            if record[:8] != b"MVPSTATE" or self.seal(record[:-36]) != record:
                continue
            if best is None or record[16:24][::-1] > best[16:24][::-1]:
                best = record
        check(best, "no sound state record")
        return best

    def wipe_state(self):
        return struct.unpack_from("<I", self.state(), 284)[0]

    def order(self, action, counter, **more):
        return order(self.orders, action, counter, **({"serial": self.serial} | more if "fleet" not in more else more))

    def receipt(self, text):
        """Of base64 text: the map, its signature verified."""
        return open1(self.signing, RECEIPT_TYPE, base64.b64decode(text, validate=True))

    def attestation(self, text):
        return open1(self.signing, ATTEST_TYPE, base64.b64decode(text, validate=True))


def device(name, disk=None):
    """A copy of the built handset that is provisioned."""
    from . import build
    folder = env.fresh("device", name)
    path = os.path.join(folder, "flash.img")
    env.copy_sparse(disk or build.built().disk, path)
    return Device(path, folder)

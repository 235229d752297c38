"""oracle.py IMAGE KEY SERIAL FLEET ORDERS_PUB: the records that provisioning writes, made from mvp/identity.h and mvp/state.h anew."""
import hashlib
import hmac
import struct
import subprocess
import sys
import zlib

image, key, serial, fleet, orders = sys.argv[1:]
k = open(key, "rb").read()
disk = open(image, "rb").read()


def mac(secret, data):
    return hmac.new(secret, data, hashlib.sha256).digest()


# y^2 = x^3 - 3x + b over P-256 (FIPS 186-4, D.1.2.3).
p = 2**256 - 2**224 + 2**192 + 2**96 - 1
n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
g = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % p == 0:
            return None
        m = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, p)
    else:
        m = (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
    x = (m * m - a[0] - b[0]) % p
    return x, (m * (a[0] - x) - a[1]) % p


def times(d, point):
    result = None
    while d:
        result = add(result, point) if d & 1 else result
        point, d = add(point, point), d >> 1
    return result


d = next(d for c in range(256) if 0 < (d := int.from_bytes(mac(k, b"mvp device signing key 1" + bytes([c])), "big")) < n)
x, y = times(d, g)
public = b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
der = subprocess.run(["openssl", "pkey", "-pubin", "-in", orders, "-outform", "DER"], capture_output=True, check=True).stdout

for copy in (0, 1):
    record = disk[(1 << 20) + copy * 0x10000:][:320]
    want = struct.pack("<8sII64s64s65s65s6x", b"MVPIDENT", 1, 320, serial.encode(), fleet.encode(), public, der[-65:])
    assert record[:280] == want, f"copy {copy} of the identity"
    assert mac(mac(k, b"mvp identity 1"), record[:288]) == record[288:], "MAC of the identity"
state = disk[2 << 20:][:4096]
want = struct.pack("<8sII", b"MVPSTATE", 1, 4096).ljust(4060, b"\0")
want += struct.pack("<I", zlib.crc32(want))
assert state == want + mac(mac(k, b"mvp state 1"), want), "first record of the journal"
assert disk[(2 << 20) + 0x10000:][:4096].count(0) == 4096
print("identity and journal are what the headers say")

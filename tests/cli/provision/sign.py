"""sign.py KEY receipt NUMBER ORDER OUTCOME | attest NONCE: a message as the device with this key signs it, by cbor2 and openssl."""
import hashlib
import hmac
import subprocess
import sys
import tempfile

import cbor2

key, kind, *args = sys.argv[1:]
k = open(key, "rb").read()
scalar = hmac.new(k, b"mvp device signing key 1\0", hashlib.sha256).digest()
OUTCOMES = {"done": 1, "stale": 5}
if kind == "receipt":
    number, order, outcome = args
    order = open(order, "rb").read()
    content = cbor2.loads(cbor2.loads(order).value[2])
    payload = {1: 1, 2: int(number), 3: "A1", 4: 1, 5: hashlib.sha256(order).digest(), 6: content[2], 7: OUTCOMES[outcome],
               8: content[5] + (outcome == "stale"), 9: 1795940000, 10: bytes(32)}
else:
    log = [["hypervisor", hashlib.sha256(b"hypervisor").digest()], ["personal", hashlib.sha256(b"personal").digest()]]
    measurement = bytes(32)
    for _, digest in log:
        measurement = hashlib.sha256(measurement + digest).digest()
    payload = {1: 1, 2: bytes.fromhex(args[0]), 3: "A1", 4: 1795940000, 5: measurement, 6: log, 7: 1, 8: 0}
protected = cbor2.dumps({1: -7, 3: f"application/vnd.mvp.{kind}+cbor"}, canonical=True)
payload = cbor2.dumps(payload, canonical=True)
with tempfile.NamedTemporaryFile() as private:
    # RFC 5915: ECPrivateKey of prime256v1.
    private.write(bytes.fromhex("30310201010420") + scalar + bytes.fromhex("a00a06082a8648ce3d030107"))
    private.flush()
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", private.name, "-keyform", "DER"], capture_output=True, check=True,
                         input=cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)).stdout
r_len = der[3]
r, s = der[4:4 + r_len], der[4 + r_len + 2:]
signature = b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (r, s))
sys.stdout.buffer.write(cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]), canonical=True))

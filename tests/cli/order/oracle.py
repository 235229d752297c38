"""oracle.py MESSAGE PUBLIC_KEY: what the message says by cbor2, and whether openssl takes its signature."""
import subprocess
import sys
import tempfile

import cbor2

data = open(sys.argv[1], "rb").read()
message = cbor2.loads(data)
assert cbor2.dumps(message, canonical=True) == data, "not in deterministic encoding"
protected, unprotected, payload, signature = message.value
assert message.tag == 18 and unprotected == {} and len(signature) == 64
for part in (protected, payload):
    assert cbor2.dumps(cbor2.loads(part), canonical=True) == part, "not in deterministic encoding"


def integer(raw):
    raw = raw.lstrip(b"\0")
    raw = b"\0" + raw if raw[0] & 0x80 else raw
    return bytes([2, len(raw)]) + raw


with tempfile.NamedTemporaryFile() as der, tempfile.NamedTemporaryFile() as tbs:
    both = integer(signature[:32]) + integer(signature[32:])
    der.write(bytes([0x30, len(both)]) + both)
    tbs.write(cbor2.dumps(["Signature1", protected, b"", payload], canonical=True))
    der.flush()
    tbs.flush()
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", sys.argv[2], "-signature", der.name, tbs.name], capture_output=True, text=True)
print(cbor2.loads(protected), cbor2.loads(payload), done.stdout.strip())

"""receipt.py ORDER: the console's line with a receipt for it, whose signature is nobody's."""
import base64
import hashlib
import sys

import cbor2

with open(sys.argv[1], "rb") as f:
    digest = hashlib.sha256(f.read()).digest()
payload = {1: 1, 2: 1, 3: "A1", 4: 1, 5: digest, 6: 1, 7: 1, 8: 7, 9: 1795939200, 10: bytes(32)}
protected = {1: -7, 3: "application/vnd.mvp.receipt+cbor"}
message = cbor2.CBORTag(18, [cbor2.dumps(protected, canonical=True), {}, cbor2.dumps(payload, canonical=True), bytes(64)])
print("mvp| receipt 1", base64.b64encode(cbor2.dumps(message)).decode())

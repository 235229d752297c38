# The digest by which vbmeta images' keys are named, worked out again from the key's modulus.
mvpctl -q keys init k
mvpctl keys show k/oem.pem | sed -n 's/ *in vbmeta *//p' >private
mvpctl keys show k/oem.pub | sed -n 's/ *in vbmeta *//p' | cmp - private
openssl rsa -in k/oem.pem -noout -modulus >modulus
python3 - <<'X'
import hashlib

n = int(open("modulus").read().split("=")[1], 16)
blob = (4096).to_bytes(4, "big") + (-pow(n, -1, 1 << 32) % (1 << 32)).to_bytes(4, "big")
blob += n.to_bytes(512, "big") + pow(2, 8192, n).to_bytes(512, "big")
print(hashlib.sha256(blob).hexdigest() == open("private").read().strip())
X
mvpctl keys show k/orders.pem | grep -c vbmeta || true
mvpctl keys show --json k/enterprise.pub | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["vbmeta-digest"]))'

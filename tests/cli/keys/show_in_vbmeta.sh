# The digest by which vbmeta images' keys are named, worked out again from the key's modulus.
mkdir k
openssl genrsa -out k/oem.pem 2048 2>out
openssl pkey -in k/oem.pem -pubout -out k/oem.pub
chmod 600 k/oem.pem
mvpctl keys show k/oem.pem | sed -n 's/ *in vbmeta *//p' >private
mvpctl keys show k/oem.pub | sed -n 's/ *in vbmeta *//p' | cmp - private
openssl rsa -in k/oem.pem -noout -modulus >modulus
python3 - <<'X'
import hashlib

n = int(open("modulus").read().split("=")[1], 16)
blob = (2048).to_bytes(4, "big") + (-pow(n, -1, 1 << 32) % (1 << 32)).to_bytes(4, "big")
blob += n.to_bytes(256, "big") + pow(2, 4096, n).to_bytes(256, "big")
print(hashlib.sha256(blob).hexdigest() == open("private").read().strip())
X
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
chmod 600 k/orders.pem
mvpctl keys show k/orders.pem | grep -c vbmeta || true
mvpctl keys show --json k/oem.pub | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["vbmeta-digest"]))'

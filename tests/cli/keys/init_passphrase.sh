# Private keys are encrypted; the passphrase comes from a file, the environment or a descriptor, never from the arguments.
printf 'not 2580\n' >words
WORDS='not 2580' mvpctl -q keys init --passphrase env:WORDS a
mvpctl -q keys init --passphrase fd:3 b 3<words
for key in a/oem.pem a/orders.pem b/escrow.key b/enterprise.pem; do
	head -n 1 "$key"
	openssl pkey -in "$key" -passin file:words -noout -text 2>&1 | head -n 1
	openssl pkey -in "$key" -passin pass:other -noout 2>/dev/null || echo 'not by another'
done
openssl asn1parse -in a/oem.pem | grep -o 'PBES2\|PBKDF2\|hmacWithSHA256\|aes-256-cbc'
openssl pkey -in a/orders.pem -passin file:words -pubout | cmp - a/orders.pub
# They sign.
mvpctl order wipe --device A1 --key a/orders.pem --passphrase file:words --counter 1 -o 1.order >out
/usr/bin/python3 "$ROOT/tests/cli/order/oracle.py" 1.order a/orders.pub | grep -o 'Verified OK'
mvpctl order wipe --device A1 --key a/orders.pem --counter 1 -o 2.order 2>&1 | grep -o MVP0631
# Nothing is made without it; what stands in its place is not repeated.
mvpctl keys init --passphrase 'my secret' c 2>&1 | grep -c 'my secret' || true
mvpctl keys init --passphrase file:none c 2>&1 | grep -o MVP0631
[ ! -e c ]

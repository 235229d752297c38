# An image becomes a device; orders are counted by its ledger; a receipt made by other tools is verified.
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+1M -c 2:mvp_state -n 3:0:+1M -c 3:boot disk.img >/dev/null
printf 'what all devices of a build have' | dd of=disk.img bs=1M seek=3 conv=notrunc status=none
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out orders.pem
openssl pkey -in orders.pem -pubout -out orders.pub
head -c 32 /dev/zero | tr '\0' k >a1.key
chmod 600 a1.key
cp disk.img blank.img
mvpctl provision disk.img --serial A1 --fleet sales --orders-key orders.pub --ledger l.db --device-key a1.key
cp disk.img once.img
echo '-- again: nothing to do; and what is refused'
mvpctl provision disk.img --serial A1 --fleet sales --orders-key orders.pub --ledger l.db --device-key a1.key
cmp disk.img once.img
mvpctl provision disk.img --serial A2 --orders-key orders.pub --ledger l.db 2>&1 | grep MVP1011
mvpctl provision blank.img --serial A1 --orders-key orders.pub --ledger l.db --device-key other.key 2>&1 | grep MVP1011
head -c 31 a1.key >short.key
mvpctl provision blank.img --serial A3 --orders-key orders.pub --ledger l.db --device-key short.key 2>&1 | grep MVP1013
cmp disk.img once.img
echo '-- what it is'
mvpctl inspect disk.img
mvpctl inspect blank.img | grep -A1 mvp_keys
mvpctl ledger ls l.db
python3 "$ROOT/tests/cli/provision/oracle.py" disk.img a1.key A1 sales orders.pub
grep -c kkkkkkkk disk.img l.db || true
echo '-- orders'
mvpctl order lock --device A1 --key orders.pem --ledger l.db --issued 1795939200 -o 1.order | head -n 1
mvpctl order lock --fleet sales --key orders.pem --ledger l.db --issued 1795939200 -o 2.order | head -n 1
mvpctl order wipe --device A1 --key orders.pem --ledger l.db --issued 1795939200 --counter 50 -o 3.order | head -n 1
mvpctl order wipe --device A1 --key orders.pem --ledger l.db --issued 1795939200 --publish . -o 4.order | sed -n '1p;3p'
mvpctl order wipe --device B1 --key orders.pem --ledger l.db -o x.order 2>&1 | grep MVP1005
mvpctl order wipe --fleet none --key orders.pem --ledger l.db -o x.order 2>&1 | grep MVP1005
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.pem
mvpctl order wipe --device A1 --key other.pem --ledger l.db -o x.order 2>&1 | grep MVP1006
mvpctl ledger show l.db A1 | grep counter
echo '-- receipts'
sign() { /usr/bin/python3 "$ROOT/tests/cli/provision/sign.py" a1.key "$@"; }
sign receipt 1 3.order done >1.receipt
mvpctl order verify 1.receipt --ledger l.db --order 3.order --done --record | sed '/digest/d; /^  order/d'
mvpctl order verify 1.receipt --ledger l.db --record | tail -n 1
mvpctl order verify 1.receipt --ledger l.db --order 4.order 2>&1 | grep MVP1002 || true
sign receipt 3 4.order stale >3.receipt
mvpctl order verify 3.receipt --ledger l.db --record | tail -n 1
mvpctl order verify 3.receipt --ledger l.db --done 2>&1 | grep MVP1002 || true
mvpctl ledger orders l.db
mvpctl ledger orders --open --fleet sales l.db
mvpctl order lock --fleet sales --key orders.pem --ledger l.db --issued 1795939200 -o 5.order | head -n 1
mvpctl ledger orders --open --device A1 l.db
mvpctl ledger orders --json --device A1 l.db | python3 -c '
import json, sys
print([(o["counter"], o["outcome"], o["passed"]) for o in json.load(sys.stdin)["orders"]])'
mvpctl ledger orders --device B1 l.db 2>&1 | grep MVP1005
mvpctl ledger orders --open --fleet none l.db
sign receipt 3 3.order done >3b.receipt
mvpctl order verify 3b.receipt --ledger l.db --record 2>&1 | grep MVP1002 || true
for at in 5 60 200; do
	python3 -c 'import sys; d = bytearray(open("1.receipt", "rb").read()); d[int(sys.argv[1])] ^= 4; open("bad.receipt", "wb").write(d)' $at
	mvpctl order verify bad.receipt --ledger l.db 2>&1 | grep -c 'MVP100[12]' || true
done
echo '-- attestations'
sign attest 0011223344556677 >a.attest
mvpctl attest verify a.attest --ledger l.db --nonce 0011223344556677 | head -n 1
measurement=$(mvpctl order show --json a.attest | sed -n 's/.*"measurement": "\(.*\)".*/\1/p')
mvpctl attest verify a.attest --ledger l.db --nonce 0011223344556677 --measurement "$measurement" | head -n 1
mvpctl attest verify a.attest --ledger l.db --nonce 0011223344556678 2>&1 | grep MVP1002 || true
mvpctl attest verify a.attest --ledger l.db --nonce 0011223344556677 --measurement "${measurement%?}0" 2>&1 | grep -c MVP1002 || true
echo '-- another order key'
openssl pkey -in other.pem -pubout -out other.pub
mvpctl -q order rotate-key --device A1 --key orders.pem --ledger l.db --new-key other.pub -o r.order
sign receipt 2 r.order done >2.receipt
mvpctl -q order verify 2.receipt --ledger l.db --record | tail -n 1
mvpctl order wipe --device A1 --key orders.pem --ledger l.db -o x.order 2>&1 | grep MVP1006
mvpctl -q order wipe --device A1 --key other.pem --ledger l.db -o x.order
mvpctl order wipe --device A1 --key other.pem --ledger l.db --counter 50 -o old.order 2>&1 | grep MVP1003

# Orders that cannot be made; each says why and makes nothing.
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out orders.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other-curve.pem
try() { mvpctl order "$@" -o x.order 2>&1 | grep 'error\[' || true; [ ! -e x.order ]; }
try wipe --key orders.pem
try wipe --device A1 --fleet sales --key orders.pem
try wipe --device 'A 1' --key orders.pem
try wipe --device .. --key orders.pem
try wipe --device A1
try wipe --device A1 --key nowhere.pem
try wipe --device A1 --key other-curve.pem
try wipe --device A1 --key orders.pem --counter -1
try wipe --device A1 --key orders.pem --counter 9223372036854775808
try wipe --device A1 --key orders.pem --issued yesterday
try wipe --device A1 --key orders.pem --reason "$(printf 'a\033[2J')"
try wipe --device A1 --key orders.pem --reason "$(head -c 129 /dev/zero | tr '\0' a)"
try wipe --device A1 --key orders.pem --ledger nowhere.db
[ ! -e nowhere.db ]
try lease --device A1 --key orders.pem --lock-after '7 days'
try lease --device A1 --key orders.pem --lock-after '7 days' --wipe-after '6 days'
try lease --device A1 --key orders.pem --lock-after 7 --wipe-after never
try rotate-key --device A1 --key orders.pem
try rotate-key --device A1 --key orders.pem --new-key keys/master.key
try lock --fleet sales --key orders.pem --publish .
echo 'an error page' >page.order
mvpctl order show page.order 2>&1 | grep 'error\['
# The wrong half of a key; a root to publish below that is not there. No counter is spent on it.
mkdir k
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
openssl pkey -in k/orders.pem -pubout -out k/orders.pub
try lock --device A1 --key k/orders.pub
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+1M -c 2:mvp_state disk.img >/dev/null
mvpctl -q provision disk.img --serial A1 --orders-key k/orders.pub --ledger l.db
mvpctl order lock --device A1 --key k/orders.pem --ledger l.db --publish web || echo "status $?" >&2
mvpctl order lock --device A1 --key k/orders.pem --ledger l.db --publish good.yaml || echo "status $?" >&2
mvpctl ledger show l.db A1 | grep counter

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

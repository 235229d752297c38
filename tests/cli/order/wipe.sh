# An order, read by others: cbor2 for its content, openssl for its signature.
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out orders.pem
openssl pkey -in orders.pem -pubout -out orders.pub
mvpctl order wipe --device A1 --key orders.pem --counter 7 --issued 2026-11-29T08:00:00Z --reason 'left in a taxi' -o a1.order
mvpctl order show a1.order
/usr/bin/python3 "$ROOT/tests/cli/order/oracle.py" a1.order orders.pub
# The same order, signed anew: the same content.
mvpctl -q order wipe --device A1 --key orders.pem --counter 7 --issued 1795939200 --reason 'left in a taxi' -o again.order
/usr/bin/python3 "$ROOT/tests/cli/order/oracle.py" again.order orders.pub
# Another key did not sign it.
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout -out other.pub
/usr/bin/python3 "$ROOT/tests/cli/order/oracle.py" a1.order other.pub

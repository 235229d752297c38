# A disk that is full, and a folder that is not there: the order that was published before stays.
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out orders.pem
mkdir web
mvpctl -q order lock --device A1 --key orders.pem --publish web
find web -type f
cp web/*/A1.order before
mvpctl order wipe --device A1 --key orders.pem -o /dev/full/x.order 2>&1 | grep -c 'MVP1007'
sh -c 'ulimit -f 0; trap "" XFSZ; exec mvpctl order wipe --device A1 --key orders.pem --publish web' 2>&1 | grep -c 'MVP1007'
cmp before web/*/A1.order
find web -type f

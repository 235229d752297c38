# What other commands look at: each is sent there.
mkdir k
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
openssl pkey -in k/orders.pem -pubout -out k/orders.pub
mvpctl -q order lock --device A1 --key k/orders.pem -o a1.order
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+1M -c 2:mvp_state disk.img >/dev/null
mvpctl -q provision disk.img --serial A1 --orders-key k/orders.pub --ledger l.db
printf 'board: 1\nname: mine\n' >board.yaml
printf 'oem: 1\nname: mine\n' >oem.yaml
printf 'carrier: 1\nname: mine\n' >carrier.yaml
code=0
for f in a1.order l.db k/orders.pem k/orders.pub board.yaml oem.yaml carrier.yaml; do mvpctl inspect "$f" || code=$?; done
exit $code

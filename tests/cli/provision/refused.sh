# Why a device is refused, what to do then, and that nothing is left behind: neither a key nor a ledger's entry.
truncate -s 8M blank.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+1M -c 2:mvp_state blank.img >/dev/null
mkdir k
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
openssl pkey -in k/orders.pem -pubout -out k/orders.pub
cp blank.img a1.img
provision() { mvpctl provision --orders-key k/orders.pub --ledger l.db "$@" || echo "status $?" >&2; }
provision a1.img --serial A1 --fleet sales | head -n 1
provision a1.img --serial A2
provision a1.img --serial A1
provision a1.img --serial A1 --fleet sales --device-key none.key
provision good.yaml --serial A2
provision rootfs --serial A2
mvpctl provision blank.img --orders-key k/orders.pem --ledger l.db --serial A2 || echo "status $?" >&2
mvpctl provision blank.img --orders-key k/orders.pub --ledger none/l.db --serial A2 || echo "status $?" >&2
mvpctl ledger ls none.db || echo "status $?" >&2
ls -- *key
mvpctl ledger ls l.db | wc -l

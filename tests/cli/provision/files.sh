# The partitions of a device as files, for a handset that is flashed: what an image made in place has, and nothing else is written.
truncate -s 8M built.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+2M -c 2:mvp_state built.img >/dev/null
sha256sum built.img >before
mkdir k
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
openssl pkey -in k/orders.pem -pubout -out k/orders.pub
mvpctl provision built.img --serial A1 --fleet sales --orders-key k/orders.pub --ledger l.db -o own/A1 2>&1 | grep -o 'MVP1012.*'
mkdir own
mvpctl provision built.img --serial A1 --fleet sales --orders-key k/orders.pub --ledger l.db -o own/A1 | head -n 1
sha256sum -c --quiet before
stat -c '%n %s' own/A1/*
# The same records at the same places, for the same device at the same time.
time=$(mvpctl ledger show --json l.db A1 | sed -n 's/.*"provisioned-at": \([0-9]*\).*/\1/p')
python3 - "$time" <<'X'
import sys
keys, state = open("own/A1/mvp_keys.img", "rb").read(), open("own/A1/mvp_state.img", "rb").read()
print(b"A1\0" in keys, b"sales\0" in keys, int(sys.argv[1]).to_bytes(8, "little") in keys, any(state))
X
dd if=own/A1/mvp_keys.img of=built.img bs=1M seek=1 conv=notrunc status=none
dd if=own/A1/mvp_state.img of=built.img bs=1M seek=2 conv=notrunc status=none
mvpctl inspect built.img | grep -A2 mvp_keys
python3 "$ROOT/tests/cli/provision/oracle.py" built.img A1.device-key A1 sales k/orders.pub
# Again: nothing to do, in either form. Another device in the same folder is refused, and a lost folder is no reason for a second identity.
provision() { mvpctl provision built.img --orders-key k/orders.pub --ledger l.db "$@" || echo "status $?" >&2; }
provision --serial A1 --fleet sales -o own/A1 | head -n 1
provision --serial A1 --fleet sales | head -n 1
provision --serial A2 -o own/A1
rm own/A1/*
provision --serial A1 --fleet sales -o own/A1
ls own/A1 | wc -l
mvpctl provision --json built.img --serial A1 --fleet sales --orders-key k/orders.pub --ledger l.db -o own/A1 --again | grep '"output"\|"already"'

# The receipt of the order that --order brings is kept, whatever else the console says.
PATH=$PWD/fake:$PATH
export FAKE=off
fake/disk.py disk.img
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out orders.pem
for n in 7 8; do
	mvpctl -q order wipe --device A1 --key orders.pem --counter $n -o $n.order
	/usr/bin/python3 "$ROOT/tests/cli/handset/receipt.py" $n.order >$n.line
done
{
	echo 'personal| receipt 1 AAAA'
	echo 'personal| receipt 1 ===='
	sed 's/^mvp|/personal|/' 7.line # right, but nobody's word for it
	head -c 100000 /dev/zero | tr '\0' x
	cat 7.line
	cat 8.line
	printf 'mvp| receipt 1 '
} >console
mvpctl run --headless --order 7.order --receipt 7.receipt disk.img && exit 99 || echo "status $?"
[ ! -e 7.receipt ] && echo 'no file'
mvpctl run --headless --order 8.order --receipt 8.receipt disk.img
mvpctl order show 8.receipt | grep -c "$(sha256sum <8.order | cut -c 1-64)"
# A console for people.
sed 's/^mvp| \(.*\)/[mvp] \1\r/' 7.line >console
mvpctl run --headless --order 7.order --receipt 7.receipt disk.img
mvpctl order show 7.receipt | grep -c "$(sha256sum <7.order | cut -c 1-64)"
# What is there stays when none comes.
: >console
FAKE=run mvpctl run --headless --timeout 1 --order 7.order --receipt 7.receipt disk.img && exit 99 || echo "status $?"
[ -s 7.receipt ] && echo 'still there'
mvpctl run --headless --receipt 7.receipt disk.img && exit 99 || echo "status $?"
mvpctl run --headless --order disk.img --receipt x.receipt disk.img && exit 99 || echo "status $?"
mvpctl run --headless --order 7.receipt --receipt x.receipt disk.img && exit 99 || echo "status $?"
mvpctl run --headless --order 7.order --receipt nowhere/x disk.img && exit 99 || echo "status $?"
ls -A | grep -c mvp-tmp || true

# Four stations that were given the same serial at once: one of them makes the device, the others are told so.
truncate -s 8M blank.img
sgdisk -n 1:2048:+1M -c 1:mvp_keys -n 2:0:+1M -c 2:mvp_state blank.img >/dev/null
mkdir k
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k/orders.pem
openssl pkey -in k/orders.pem -pubout -out k/orders.pub
for serial in A1 A2 A3 A4 A5; do
	for station in 1 2 3 4; do
		cp blank.img $station.img
		rm -f $station.key # made anew: the time that takes lies between looking for the serial and taking it
	done
	for station in 1 2 3 4; do
		mvpctl provision $station.img --serial $serial --orders-key k/orders.pub --ledger l.db --device-key $station.key >$station.out 2>&1 &
	done
	wait
	cat [1-4].out | grep -c 'is now the device'
	cat [1-4].out | grep -c 'MVP1011'
done
mvpctl ledger ls l.db | wc -l

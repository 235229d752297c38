# A disk made by sgdisk, whole and with each table damaged; things that are no image.
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c 1:boot disk.img >/dev/null
mvpctl verify disk.img
mvpctl verify --json disk.img | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["schema"], d["version"], [f["name"] for f in d["findings"]])'
for at in 600 $((8 * 1024 * 1024 - 480)); do
	cp disk.img broken.img
	printf x | dd of=broken.img bs=1 seek=$at conv=notrunc status=none
	code=0
	mvpctl verify broken.img || code=$?
	echo "$code"
done
head -c 100000 /dev/zero | tr '\0' x >noise.img
code=0
mvpctl verify noise.img || code=$?
echo "$code"
mvpctl verify --key disk.img disk.img

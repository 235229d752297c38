# A disk made by other tools: file system, container and a nested partition table.
truncate -s 96M disk.img
sgdisk -n 1:2048:+8M -c 1:system -n 2:0:+20M -c 2:work -n 3:0:+16M -c 3:personal -n 4:0:+1M -c 4:empty disk.img >/dev/null
part() { dd if="$1" of=disk.img bs=512 seek="$(sgdisk -i "$2" disk.img | sed -n 's/^First sector: \([0-9]*\).*/\1/p')" conv=notrunc,sparse status=none; }
truncate -s 8M fs.img
mke2fs -q -t ext4 -L system -U 01234567-89ab-4cde-8f01-23456789abcd -E hash_seed=01234567-89ab-4cde-8f01-23456789abcd fs.img
part fs.img 1
truncate -s 20M luks.img
printf secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --uuid 11111111-2222-4333-8444-555555555555 \
	--label work --disable-locks luks.img -
part luks.img 2
truncate -s 16M inner.img
sgdisk -n 1:2048:+8M -c 1:userdata inner.img >/dev/null
dd if=fs.img of=inner.img bs=1M seek=1 conv=notrunc status=none
part inner.img 3
mvpctl inspect disk.img
mvpctl inspect --json disk.img | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["schema"], d["version"], [p["name"] + ": " + p["kind"] for p in d["partitions"]], d["partitions"][2]["partitions"][0]["ext4"]["label"])'

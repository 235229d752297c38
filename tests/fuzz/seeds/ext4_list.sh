#!/bin/sh
# ext4_list.sh FOLDER: small ext4 file systems with what mke2fs knows of ways to keep a file.
set -eu
PATH=$PATH:/usr/sbin:/sbin
out=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/boot" "$tree/dev" "$tree/etc" "$tree/many"
head -c 3000 /dev/zero | tr '\0' k >"$tree/boot/vmlinuz-1"
printf 'abc' >"$tree/etc/file"
ln "$tree/etc/file" "$tree/etc/hard"
truncate -s 20000 "$tree/etc/hole"
printf 'end' >>"$tree/etc/hole"
ln -s file "$tree/etc/link"
ln -s "$(printf '%090d' 0)" "$tree/etc/long"
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do
	: >"$tree/many/a-longer-file-name-of-number-$n"
done
find "$tree" -exec touch -h -d @1700000000 {} +
big=$(printf '%0200d' 0)

make() { # NAME FEATURES
	E2FSPROGS_FAKE_TIME=1700000000 mke2fs -q -t ext4 -b 1024 -N 80 -O "^has_journal,^resize_inode,$2" -d "$tree" \
		-U 00000000-0000-4000-8000-000000000001 -E hash_seed=00000000-0000-4000-8000-000000000002,root_owner=0:0 "$out/$1" 96k
	E2FSPROGS_FAKE_TIME=1700000000 debugfs -w -f - "$out/$1" >/dev/null 2>&1 <<-COMMANDS
		cd /dev
		mknod null c 1 3
		mknod sda b 8 0
		mknod pipe p
		ea_set /etc/file user.a b
		ea_set /etc/file user.big $big
	COMMANDS
}
make plain '^64bit,^metadata_csum'
make indirect '^extent,^64bit,^metadata_csum,^flex_bg'
make inline 'inline_data,^metadata_csum'
make sums 'metadata_csum'

#!/bin/sh
# Shows a sample of every format we write (tests/e2e/mkformats.c) to the programs that own these formats.
# Their false passes are excluded where they are known: each test says how.
set -u
: "${O:?folder of the build}"
mkformats=$O/e2e/mkformats
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/formats.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
export PATH="$PATH:/usr/sbin:/sbin"
passed=0 failed=0

# t NAME FUNCTION: one test; its output is shown when it fails.
t()
{
	# Not as a condition: there the shell ignores -e.
	(set -e; "$2") >"$work/output" 2>&1
	if [ $? -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL - $1"
		tail -n 40 "$work/output"
	fi
}

sha() { sha256sum <"$1" | cut -d ' ' -f 1; }
equal() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
refuses() { if "$@"; then echo "accepted: $*"; return 1; fi; }

cd "$work" || exit 1
mkdir fs a b
echo 'the work persona was here' >fs/proof.txt
mke2fs -q -t ext4 -b 4096 -d fs ext4.img 8M || exit 1
cp ext4.img a/ && cp ext4.img b/
make_formats() { (cd "$root" && "$mkformats" "$work/$1"); } # which reads profiles beside it
make_formats a >a.sums || exit 1
printf 'correct horse' >key
printf 'correct horsf' >wrong

reproducible()
{
	make_formats b >/dev/null
	diff -rq a b
}
t 'the same inputs give the same bytes' reproducible

# LUKS2. cryptsetup repairs a damaged header copy in place and says nothing: the file must be the same afterwards.
luks_opens()
{
	before=$(sha a/$img)
	cryptsetup isLuks --type luks2 a/$img
	cryptsetup luksDump a/$img | grep -q '^Label:[[:space:]]*acme work$'
	cryptsetup open --test-passphrase --disable-locks --key-file key a/$img
	refuses cryptsetup open --test-passphrase --disable-locks --key-file wrong a/$img
	equal "$(sha a/$img)" "$before"
}
luks_false_pass()
{
	for at in 600 17000; do # in the primary header's padding, in the secondary's
		cp a/luks2.img broken.img
		printf x | dd of=broken.img bs=1 seek=$at conv=notrunc status=none
		before=$(sha broken.img)
		cryptsetup luksDump broken.img >/dev/null
		if [ "$(sha broken.img)" = "$before" ]; then
			echo "a damaged header went unnoticed: this test proves nothing"
			return 1
		fi
	done
}
decrypt() # container: decrypts it in place, plaintext from byte 0 on
{
	cp "$1" plain.out
	rm -f header.out
	cryptsetup reencrypt --decrypt --disable-locks --force-offline-reencrypt --batch-mode --header header.out --key-file key plain.out
}
luks_plaintext()
{
	decrypt a/luks2.img
	cmp -n "$(stat -c %s a/plain.img)" plain.out a/plain.img
}
luks_no_holes() # ciphertext everywhere: no 4096 bytes of the payload are zero
{
	python3 - a/luks2.img <<-'EOF'
	import sys
	data = open(sys.argv[1], "rb").read()[16 << 20:]
	assert data and all(any(data[i:i + 4096]) for i in range(0, len(data), 4096))
	EOF
}
luks_kept_holes() # data sectors as in the full container, the others are holes
{
	python3 - a/plain.img a/luks2.img a/luks2-holes.img <<-'EOF'
	import sys
	plain, full, holes = (open(name, "rb").read() for name in sys.argv[1:])
	assert full[:16 << 20] == holes[:16 << 20]
	zeros, kept = bytes(4096), 0
	for i in range(0, len(plain), 4096):
	    sector = holes[(16 << 20) + i:][:4096]
	    if plain[i:i + 4096] != zeros or sector != zeros:
	        assert sector == full[(16 << 20) + i:][:4096], hex(i)
	    else:
	        kept += 1
	assert kept * 4096 > len(plain) / 2
	EOF
	[ "$(du -k a/luks2-holes.img | cut -f 1)" -lt 8192 ]
}
luks_grub() # a second implementation, which repairs nothing
{
	equal "$(printf 'correct horse\n' | grub-fstest -C a/luks2-ext4.img cat '(crypto0)/proof.txt' | tail -n 1 | sed 's/.*: //')" \
		'the work persona was here'
	printf 'wrong\n' | grub-fstest -C a/luks2-ext4.img cat '(crypto0)/proof.txt' >out 2>&1 || true
	refuses grep -q 'the work persona' out
}
for img in luks2.img luks2-holes.img luks2-ext4.img; do
	t "cryptsetup opens $img and finds nothing to repair" luks_opens
done
t 'cryptsetup would have repaired a damaged header' luks_false_pass
t 'cryptsetup decrypts the container to the plaintext' luks_plaintext
t 'the container has no holes' luks_no_holes
t 'kept holes are the only difference' luks_kept_holes
t 'grub reads a file in the container' luks_grub

# GPT. sgdisk -v finds "no problems" in an empty table it makes itself when it sees none, and in the good copy when the other is damaged: the
# names must be ours, and it must not have warned.
gpt()
{
	sgdisk -v "$1" >out 2>&1
	cat out
	grep -q 'No problems found' out
	refuses grep -Eqi 'creating new|caution|warning|corrupt|invalid|error' out
}
gpt_disk()
{
	gpt a/disk.img
	equal "$(sgdisk -i 1 a/disk.img | sed -n "s/^Partition name: //p")" "'boot'"
	equal "$(sgdisk -i 2 a/disk.img | sed -n "s/^Partition name: //p")" "'system'"
	equal "$(sgdisk -i 3 a/disk.img | sed -n "s/^Partition name: //p")" "'a-name-of-exactly-thirty-six-letters'"
	equal "$(sgdisk -i 2 a/disk.img | sed -n 's/^Partition GUID code: \([^ ]*\).*/\1/p')" 0FC63DAF-8483-4772-8E79-3D69D8477DE4
	equal "$(sgdisk -i 2 a/disk.img | sed -n 's/^Partition unique GUID: //p')" 02000000-0000-0000-0000-000000000000
	sgdisk -p a/disk.img | grep -q 'Disk identifier (GUID): 00112233-4455-4677-8899-AABBCCDDEEFF'
	dd if=a/disk.img bs=1M skip=4 count=24 status=none | cmp - a/plain.img
}
gpt_backup()
{
	cp a/disk.img broken.img
	dd if=/dev/zero of=broken.img bs=512 seek=1 count=1 conv=notrunc status=none
	sgdisk -p broken.img 2>/dev/null | grep -q ' system$'
}
t 'sgdisk accepts the disk and sees our partitions' gpt_disk
t 'sgdisk reads the backup table' gpt_backup

# Boot image: the sum is of AOSP mkbootimg's output for the same parts.
bootimg()
{
	equal "$(sha a/boot.img)" a4dc7c7a34939542eb3ca73affc254da612ba89c8cf2f70948f1d63e28433927
	unpack_bootimg --boot_img a/boot.img --out unpacked >out
	cmp unpacked/kernel a/kernel
	cmp unpacked/ramdisk a/ramdisk
	grep -q 'command line args: console=ttyAMA0' out
	grep -q 'boot image header version: 4' out
}
t 'the boot image is what mkbootimg makes, and unpack_bootimg finds the parts' bootimg

# Sparse images. simg2img leaves DONT_CARE as holes of a new file, so FILL is told apart by expanding over old contents.
expand() # expected, pieces...: over a file full of 0xff
{
	expected=$1
	shift
	head -c "$(stat -c %s "$expected")" /dev/zero | tr '\0' '\377' >expanded
	simg2img "$@" expanded
	cmp expanded "$expected"
}
sparse_known()
{
	equal "$(sha a/known.0.simg)" 5ed3d38ee6a16e6ae68051b1816ec090d4783ece0a5545d25911e7cf5aeb4b1a
	img2simg a/d.img d.simg 4096
	cmp d.simg a/known.0.simg
}
sparse_filled()
{
	cp a/plain.img longer.img
	truncate -s +1M longer.img
	rm -f fresh
	simg2img a/filled.0.simg fresh
	cmp fresh longer.img
	python3 - a/filled.0.simg <<-'EOF'
	import struct, sys
	data = open(sys.argv[1], "rb").read()
	magic, major, minor, header, chunk, block, blocks, chunks, crc = struct.unpack_from("<IHHHHIIII", data)
	assert (magic, major, minor, header, chunk, block, crc) == (0xed26ff3a, 1, 0, 28, 12, 4096, 0)
	at, covered, kinds = 28, 0, []
	for _ in range(chunks):
	    kind, reserved, n, total = struct.unpack_from("<HHII", data, at)
	    assert reserved == 0 and n > 0 and total == {0xcac1: 12 + n * 4096, 0xcac2: 16}[kind], hex(kind)
	    kinds.append(kind)
	    covered, at = covered + n, at + total
	assert covered == blocks and at == len(data) and 0xcac2 in kinds
	EOF
}
sparse_holes()
{
	rm -f fresh
	simg2img a/holes.0.simg fresh
	cmp fresh a/plain.img
	simg_dump a/holes.0.simg | grep -q '6144 4096-byte output blocks in 5 '
}
sparse_split()
{
	[ "$(ls a/split.*.simg | wc -l)" -gt 1 ]
	for piece in a/split.*.simg; do
		[ "$(stat -c %s "$piece")" -le 1048576 ]
	done
	rm -f fresh
	simg2img a/split.*.simg fresh
	cmp fresh a/plain.img
}
t 'a sparse image of constant blocks is what img2simg makes' sparse_known
t 'holes that must be written are FILL chunks' sparse_filled
t 'other holes are left out' sparse_holes
t 'pieces stay below the limit and add up' sparse_split

# The bundles: disk image and factory zip of the same partitions.
name=acme-one-factory-2026.11.0
bundle_sums()
{
	[ "$(wc -l <a.sums)" -ge 8 ]
	sha256sum -c a.sums
	[ "$(ls -A a | grep -c mvp-tmp)" -eq 0 ]
}
bundle_disk()
{
	disk=a/acme-one-2026.11.0.img
	gpt $disk
	i=1
	for part in boot personal work; do
		equal "$(sgdisk -i $i $disk | sed -n "s/^Partition name: //p")" "'$part'"
		first=$(sgdisk -i $i $disk | sed -n 's/^First sector: \([0-9]*\).*/\1/p')
		dd if=$disk bs=512 skip="$first" status=none | cmp -n "$(stat -c %s a/part-$part.img)" - a/part-$part.img
		i=$((i + 1))
	done
	[ "$(du -k $disk | cut -f 1)" -lt $(($(du -k a/part-work.img | cut -f 1) + $(du -k a/part-personal.img | cut -f 1) + 1024)) ]
}
bundle_zip()
{
	unzip -t a/$name.zip
	rm -rf unpacked
	unzip -q a/$name.zip -d unpacked
	inner=unpacked/$name/image-acme-one-2026.11.0.zip
	unzip -t $inner
	equal "$(zipinfo -1 $inner | tr '\n' ' ')" 'android-info.txt fastboot-info.txt boot.img personal.img work.img '
	equal "$(zipinfo $inner work.img | awk '{ print $6 }')" stor
	equal "$(zipinfo $inner personal.img | awk '{ print $6 }')" defN
	equal "$(zipinfo -T $inner boot.img | awk '{ print $7 }')" 20231114.221320
	[ -x unpacked/$name/flash-all.sh ]
	unzip -q $inner -d unpacked/images
	equal "$(cat unpacked/images/android-info.txt)" 'require board=qemu-virt'
	equal "$(cat unpacked/images/fastboot-info.txt)" "$(printf 'version 1\nflash boot\nflash personal\nflash work')"
	cmp unpacked/images/boot.img a/part-boot.img
	python3 - a/$name.zip $inner <<-'EOF'
	import sys, zipfile
	for path in sys.argv[1:]:
	    with zipfile.ZipFile(path) as z:
	        assert z.testzip() is None
	EOF
}
bundle_images()
{
	cp a/part-personal.img longer.img
	truncate -s +3M longer.img
	for part in personal work; do
		rm -f fresh
		simg2img unpacked/images/$part.img fresh
		cmp fresh "$([ $part = personal ] && echo longer.img || echo a/part-work.img)"
	done
}
bundle_zip_damaged() # unzip looks at the sums
{
	cp a/$name.zip broken.zip
	printf x | dd of=broken.zip bs=1 seek=20000000 conv=notrunc status=none
	refuses unzip -qt broken.zip
}
# A fastboot that logs what it is told, and keeps what it is given.
stub()
{
	rm -rf bin flashed log
	mkdir bin flashed
	cat >bin/fastboot <<-EOF
	#!/bin/sh
	echo "\$1 \$2" >>"$work/log"
	case \$1 in
	getvar) printf 'product: %s\r\nFinished.\n' "$1" >&2 ;;
	flash) [ "\$2" != "${2:-}" ] && cp "\$3" "$work/flashed/\$2" ;;
	esac
	EOF
	chmod +x bin/fastboot
}
run_script() { (cd / && PATH="$work/bin:$PATH" TMPDIR="$work" sh "$work/unpacked/$name/flash-all.sh"); }
script_flashes()
{
	bash -n unpacked/$name/flash-all.sh
	stub qemu-virt
	run_script
	equal "$(tr '\n' ';' <log)" 'getvar product;flash boot;flash personal;flash work;reboot ;'
	for part in boot personal work; do
		cmp flashed/$part unpacked/images/$part.img
	done
	[ -z "$(find . -maxdepth 1 -name 'flash-all.*')" ]
}
script_refuses()
{
	stub another-phone
	refuses run_script
	equal "$(cat log)" 'getvar product'
	stub qemu-virt personal
	refuses run_script
	equal "$(tr '\n' ';' <log)" 'getvar product;flash boot;flash personal;'
	[ -z "$(find . -maxdepth 1 -name 'flash-all.*')" ]
}
batch_file() # the same partitions, as cmd.exe wants its files
{
	bat=unpacked/$name/flash-all.bat
	equal "$(grep -c -v "$(printf '\r')\$" $bat)" 0
	equal "$(tr -d '\r' <$bat | sed -n 's/^CALL :flash //p' | tr '\n' ' ')" \
		'boot boot.img personal personal.img work work.img '
}
t 'the sums reported are those of the files' bundle_sums
t 'sgdisk accepts the disk image and the partitions are in it' bundle_disk
t 'unzip, zipinfo and Python accept the factory zip' bundle_zip
t 'the images in the zip expand to the partitions' bundle_images
t 'unzip sees a damaged zip' bundle_zip_damaged
t 'flash-all.sh flashes every partition' script_flashes
t 'flash-all.sh stops at another phone and at a failure' script_refuses
t 'flash-all.bat names every partition' batch_file

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

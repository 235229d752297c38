#!/bin/sh
# The same with the same tools as fast as they allow: personas and packers at once, ciphertext stored, zip -1, OpenSSL's digests. Arguments:
# folder of the inputs, an empty folder, MiB of a system.
set -eu
in=$1 out=$2 system=$3
whole=$((system + 76)) # of a persona, MiB
sectors=2048 # of a MiB
u=3e1d4a9c-0000-4000-8000-00000000000
cd "$out"
persona() { # name, package, number
	mkdir "r-$1"
	fakeroot sh -c "tar --numeric-owner -xpf '$in/base.tar' -C r-$1 && cp -a '$in/overlay/.' r-$1/ && \
		for d in '$in'/extra/$2_*.deb; do dpkg-deb --fsys-tarfile \"\$d\" | tar -xpf - -C r-$1; done && \
		mke2fs -q -t ext4 -b 4096 -L system -U $u$3 -E hash_seed=$u$3,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 \
			-O ^has_journal -d r-$1 $1-system.img ${system}M"
	rm -rf "r-$1"
	truncate -s 64M "$1-userdata.img"
	mke2fs -q -t ext4 -b 4096 -L userdata -E lazy_itable_init=0,lazy_journal_init=0 "$1-userdata.img"
	truncate -s ${whole}M "$1.img"
	# cryptsetup refuses to encrypt a disk that has a partition table: the peers are spared that of the work disk.
	[ "$1" = work ] || printf 'label: gpt\nstart=2048,size=16384,name=boot\nstart=18432,size=%d,name=system\nstart=%d,size=131072,name=userdata\n' \
		$((system * sectors)) $(((9 + system) * sectors)) | sfdisk -q "$1.img"
	dd if="$in/kernel" of="$1.img" bs=1M seek=1 conv=notrunc status=none
	dd if="$1-system.img" of="$1.img" bs=1M seek=9 conv=notrunc,sparse status=none
	dd if="$1-userdata.img" of="$1.img" bs=1M seek=$((9 + system)) conv=notrunc,sparse status=none
	rm "$1-system.img" "$1-userdata.img"
}
persona personal busybox-static 1 &
personal=$!
persona work strace 2
printf 2580 >key
truncate -s $((whole + 32))M work.img
cryptsetup --disable-locks reencrypt --encrypt --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512 --sector-size 4096 \
	--pbkdf pbkdf2 --hash sha256 --pbkdf-force-iterations 200000 --resilience none --reduce-device-size 32M --key-file key work.img
truncate -s $((whole + 16))M work.img
wait $personal
cp "$in/kernel" boot.img
mkdir fb odin
img2simg personal.img fb/personal.img 4096
ln boot.img work.img fb/
printf 'require board=bench\n' >fb/android-info.txt
fastboot() {
	cd fb
	zip -qX1 ../fastboot.zip android-info.txt boot.img personal.img
	zip -qX0 ../fastboot.zip work.img
	cd ..
	openssl dgst -sha256 fastboot.zip >sum-fastboot
	sync fastboot.zip
}
odin() {
	for p in boot personal work; do lz4 -1 -qf -B6 --content-size fb/$p.img odin/$p.img.lz4; done
	(cd odin && tar --format=ustar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf ../AP.tar *.lz4)
	openssl md5 -r AP.tar | sed 's/ \*/  /' >>AP.tar
	mv AP.tar AP.tar.md5
	openssl dgst -sha256 AP.tar.md5 >sum-odin
	sync AP.tar.md5
}
disk() {
	truncate -s $((2 * whole + 28))M disk.img
	printf 'label: gpt\nstart=2048,size=16384,name=boot\nstart=18432,size=%d,name=personal\nstart=%d,size=%d,name=work\n' \
		$((whole * sectors)) $(((9 + whole) * sectors)) $(((whole + 16) * sectors)) | sfdisk -q disk.img
	dd if=boot.img of=disk.img bs=1M seek=1 conv=notrunc status=none
	dd if=personal.img of=disk.img bs=1M seek=9 conv=notrunc,sparse status=none
	dd if=work.img of=disk.img bs=1M seek=$((9 + whole)) conv=notrunc,sparse status=none
	openssl dgst -sha256 disk.img >sum-disk
	sync disk.img
}
fastboot &
a=$!
odin &
b=$!
disk
wait $a $b

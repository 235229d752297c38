#!/bin/sh
# pipeline_inputs.sh FOLDER [large]: what pipeline.py builds from: a root file system of Debian packages (of 1 GiB, if it is to be large), a
# folder layer and two packages. Made once; only packages whose dependencies play no part, since nothing is ever started from it.
set -eu
folder=$1
packages="base-files base-passwd bash coreutils dash debconf diffutils dpkg e2fsprogs findutils gcc-12-base git gnupg grep gzip hostname
libc6 libc-bin libcrypt1 libgcc-s1 libicu72 libperl5.36 libpython3.11-minimal libpython3.11-stdlib libssl3 libstdc++6 libsystemd0 locales
login mawk openssh-client openssl passwd perl perl-base perl-modules-5.36 procps python3.11-minimal sed systemd tar tzdata util-linux
vim-common vim-runtime zlib1g"
extra="busybox-static strace"
[ "${2:-}" != large ] || packages="$packages firefox-esr golang-1.19-src libllvm14 llvm-14-dev openjdk-17-jre-headless"
[ ! -e "$folder/complete" ] || exit 0
mkdir -p "$folder/debs" "$folder/root" "$folder/overlay"
(cd "$folder/debs" && apt-get -qq download $packages $extra)
mkdir -p "$folder/extra"
for p in $extra; do mv "$folder/debs/${p}_"*.deb "$folder/extra/"; done
for deb in "$folder"/debs/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -xf - -C "$folder/root" --exclude=./usr/share/doc --exclude=./usr/share/locale \
	--exclude=./usr/share/man --exclude=./usr/share/i18n --exclude=./usr/share/vim --exclude=./usr/lib/git-core; done
tar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -C "$folder/root" -cf "$folder/base.tar" .
i=0
while [ $i -lt 200 ]; do
	mkdir -p "$folder/overlay/opt/app/$((i % 20))"
	seq $((i * 100)) $((i * 100 + 300)) >"$folder/overlay/opt/app/$((i % 20))/file-$i.txt"
	i=$((i + 1))
done
openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null | head -c 8388608 \
	>"$folder/overlay/opt/app/blob"
rm -rf "$folder/root" "$folder/debs"
touch "$folder/complete"

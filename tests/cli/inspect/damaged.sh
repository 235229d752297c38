# A partition table with a broken checksum, a cut boot image.
truncate -s 4M disk.img
# With given GUIDs: a checksum of random ones can have the byte that is written there.
sgdisk -n 1:2048:4095 -c 1:boot -u 1:00000000-0000-4000-8000-000000000001 -U 00000000-0000-4000-8000-000000000002 disk.img >/dev/null
printf x | dd of=disk.img bs=1 seek=600 conv=notrunc status=none
mvpctl inspect disk.img
printf x | dd of=disk.img bs=1 seek=$((4 * 1024 * 1024 - 500)) conv=notrunc status=none
code=0
mvpctl inspect disk.img || code=$?
printf 'ANDROID!\0\0\0\0' >boot.img
mvpctl inspect boot.img || code=$?
exit $code

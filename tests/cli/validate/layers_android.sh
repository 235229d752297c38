# Images that are not there, or that no partition can be taken out of.
sed 's/- dir: rootfs/- android: {boot: missing.img, vendor: "super:vendor"}/; s,/boot/vmlinuz-\*,android,' good.yaml >android.yaml
cmp -s good.yaml android.yaml && exit 99
mvpctl validate android.yaml

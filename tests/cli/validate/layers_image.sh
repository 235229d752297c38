# An image is the whole system: nothing can be merged with it.
sed 's/dir: rootfs/image: rootfs.tar/' good.yaml >image.yaml
cmp -s good.yaml image.yaml && exit 99
mvpctl validate image.yaml

sed 's/dir: rootfs/cpio: rootfs.tar/' good.yaml >layer_not_built_in.yaml
cmp -s good.yaml layer_not_built_in.yaml && exit 99
mvpctl validate layer_not_built_in.yaml

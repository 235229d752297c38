sed 's/dir: rootfs/atributes: []/' good.yaml >unknown.yaml
cmp -s good.yaml unknown.yaml && exit 99
mvpctl validate unknown.yaml

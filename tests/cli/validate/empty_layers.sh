sed '/- deb/d;s/- dir: rootfs/[]/' good.yaml >empty_layers.yaml
cmp -s good.yaml empty_layers.yaml && exit 99
mvpctl validate empty_layers.yaml

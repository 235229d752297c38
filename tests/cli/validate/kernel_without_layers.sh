sed 's/"file:kernel"/\/boot\/vmlinuz/' good.yaml >kernel_without_layers.yaml
cmp -s good.yaml kernel_without_layers.yaml && exit 99
mvpctl validate kernel_without_layers.yaml

sed 's/"file:kernel"/kernel/' good.yaml >kernel_relative.yaml
cmp -s good.yaml kernel_relative.yaml && exit 99
mvpctl validate kernel_relative.yaml

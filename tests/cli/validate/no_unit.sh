sed 's/size: 64 MiB/size: 64/' good.yaml >no_unit.yaml
cmp -s good.yaml no_unit.yaml && exit 99
mvpctl validate no_unit.yaml

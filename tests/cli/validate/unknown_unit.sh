sed 's/size: 64 MiB/size: 64 MB/' good.yaml >unknown_unit.yaml
cmp -s good.yaml unknown_unit.yaml && exit 99
mvpctl validate unknown_unit.yaml

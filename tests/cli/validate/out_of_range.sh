sed 's/cpus: 2/cpus: 9/' good.yaml >out_of_range.yaml
cmp -s good.yaml out_of_range.yaml && exit 99
mvpctl validate out_of_range.yaml

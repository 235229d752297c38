sed 's/cpus: 2/cpus: 99999999999999999999/' good.yaml >number_too_large.yaml
cmp -s good.yaml number_too_large.yaml && exit 99
mvpctl validate number_too_large.yaml

sed 's/^personas:/hypervisor: {switch-key: leftmeta+tba}\n&/' good.yaml >switch_key.yaml
cmp -s good.yaml switch_key.yaml && exit 99
mvpctl validate switch_key.yaml

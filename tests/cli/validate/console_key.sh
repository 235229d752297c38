sed 's/^personas:/hypervisor: {console-key: ctrl-m}\n&/' good.yaml >console_key.yaml
cmp -s good.yaml console_key.yaml && exit 99
mvpctl validate console_key.yaml

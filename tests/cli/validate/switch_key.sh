# What used to be the one switch key is the console's now.
sed 's/^personas:/hypervisor:\n  switch-key: ctrl-]\n&/' good.yaml >switch_key.yaml
cmp -s good.yaml switch_key.yaml && exit 99
mvpctl validate switch_key.yaml

sed 's/keys:/keys: \&k/' good.yaml >anchor.yaml
cmp -s good.yaml anchor.yaml && exit 99
mvpctl validate anchor.yaml

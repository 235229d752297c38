sed 's/^keys:/keys: {/' good.yaml >syntax.yaml
cmp -s good.yaml syntax.yaml && exit 99
mvpctl validate syntax.yaml

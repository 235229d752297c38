sed 's/^name: .*/name:/' good.yaml >no_value.yaml
cmp -s good.yaml no_value.yaml && exit 99
mvpctl validate no_value.yaml

sed 's/^name: .*/&\n&/' good.yaml >duplicate_key.yaml
cmp -s good.yaml duplicate_key.yaml && exit 99
mvpctl validate duplicate_key.yaml

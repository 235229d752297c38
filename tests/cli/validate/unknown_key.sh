sed 's/^name:/nmae:/' good.yaml >unknown_key.yaml
cmp -s good.yaml unknown_key.yaml && exit 99
mvpctl validate unknown_key.yaml

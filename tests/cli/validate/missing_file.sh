sed 's/keys.passcode/keys\/pascode/' good.yaml >missing_file.yaml
cmp -s good.yaml missing_file.yaml && exit 99
mvpctl validate missing_file.yaml

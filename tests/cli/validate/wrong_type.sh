sed 's/^board: .*/board: [a, b]/' good.yaml >wrong_type.yaml
cmp -s good.yaml wrong_type.yaml && exit 99
mvpctl validate wrong_type.yaml

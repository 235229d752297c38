sed 's/^board: .*/board: *k/' good.yaml >alias.yaml
cmp -s good.yaml alias.yaml && exit 99
mvpctl validate alias.yaml

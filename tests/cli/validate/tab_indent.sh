sed 's/^  master/\tmaster/' good.yaml >tab_indent.yaml
cmp -s good.yaml tab_indent.yaml && exit 99
mvpctl validate tab_indent.yaml

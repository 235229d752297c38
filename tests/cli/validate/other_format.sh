sed 's/^mvp: 1/mvp: 2/' good.yaml >other_format.yaml
cmp -s good.yaml other_format.yaml && exit 99
mvpctl validate other_format.yaml

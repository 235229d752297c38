sed '0,/128 MiB/s//129 MiB/' good.yaml >not_a_multiple.yaml
cmp -s good.yaml not_a_multiple.yaml && exit 99
mvpctl validate not_a_multiple.yaml

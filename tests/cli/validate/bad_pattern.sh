sed 's/\[debs.*/["debs\/linux-[0-9"]/' good.yaml >bad_pattern.yaml
cmp -s good.yaml bad_pattern.yaml && exit 99
mvpctl validate bad_pattern.yaml

sed 's/\(debs.*\.deb\)\]/\1, \1]/' good.yaml >listed_twice.yaml
cmp -s good.yaml listed_twice.yaml && exit 99
mvpctl validate listed_twice.yaml

sed 's/network: none/network: [none]/' good.yaml >choice_list.yaml
cmp -s good.yaml choice_list.yaml && exit 99
mvpctl validate choice_list.yaml

sed 's/network: none/network: nta/' good.yaml >not_a_choice.yaml
cmp -s good.yaml not_a_choice.yaml && exit 99
mvpctl validate not_a_choice.yaml

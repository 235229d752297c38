sed '0,/memory: 128/{/memory: 128/d}' good.yaml >missing_key.yaml
cmp -s good.yaml missing_key.yaml && exit 99
mvpctl validate missing_key.yaml

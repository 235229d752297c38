sed '/encryption:/,$d' good.yaml >encryption_missing.yaml
cmp -s good.yaml encryption_missing.yaml && exit 99
mvpctl validate encryption_missing.yaml

sed 's/^board: .*/board: !!str qemu-virt/' good.yaml >tag.yaml
cmp -s good.yaml tag.yaml && exit 99
mvpctl validate tag.yaml

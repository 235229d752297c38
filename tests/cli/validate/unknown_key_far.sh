sed 's/^board: qemu-virt/&\ntelephone: 1/' good.yaml >unknown_key_far.yaml
cmp -s good.yaml unknown_key_far.yaml && exit 99
mvpctl validate unknown_key_far.yaml

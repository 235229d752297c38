sed 's/qemu-virt/qemu-vrit/' good.yaml >unknown_board.yaml
cmp -s good.yaml unknown_board.yaml && exit 99
mvpctl validate unknown_board.yaml

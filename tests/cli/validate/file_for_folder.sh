sed 's/dir: rootfs/dir: rootfs.tar/' good.yaml >file_for_folder.yaml
cmp -s good.yaml file_for_folder.yaml && exit 99
mvpctl validate file_for_folder.yaml

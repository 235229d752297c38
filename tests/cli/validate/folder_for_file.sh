sed 's/keys.passcode/keys/' good.yaml >folder_for_file.yaml
cmp -s good.yaml folder_for_file.yaml && exit 99
mvpctl validate folder_for_file.yaml

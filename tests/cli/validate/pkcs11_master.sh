sed 's/keys.master.key/"pkcs11:token=x"/' good.yaml >pkcs11_master.yaml
cmp -s good.yaml pkcs11_master.yaml && exit 99
mvpctl validate pkcs11_master.yaml

head -c 4096 /dev/zero >zero.yaml
mvpctl validate zero.yaml

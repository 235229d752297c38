mvpctl build --format=dsik good.yaml

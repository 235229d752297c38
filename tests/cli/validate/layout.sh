# More memory than the board has: found without a build.
sed 's/128 MiB/60 GiB/' good.yaml >big.yaml
mvpctl validate big.yaml

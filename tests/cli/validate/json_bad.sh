sed 's/cpus: 2/cpus: two/' good.yaml >bad.yaml
mvpctl validate --json bad.yaml

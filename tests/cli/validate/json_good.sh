mvpctl validate --json good.yaml

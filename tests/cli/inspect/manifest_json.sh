mvpctl inspect --json good.yaml

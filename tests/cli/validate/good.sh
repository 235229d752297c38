mvpctl validate good.yaml

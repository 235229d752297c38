mvpctl validate good.yaml bad.yaml

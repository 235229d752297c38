mvpctl -q validate good.yaml

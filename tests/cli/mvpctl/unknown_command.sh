mvpctl biuld good.yaml

mvpctl inspect good.yaml

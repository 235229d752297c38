mvpctl build -z good.yaml

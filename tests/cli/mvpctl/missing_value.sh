mvpctl validate good.yaml -C

mvpctl validate --quiet=yes good.yaml

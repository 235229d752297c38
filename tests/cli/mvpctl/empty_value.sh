mvpctl build --output= good.yaml

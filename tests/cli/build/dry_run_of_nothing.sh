mvpctl build --dry-run --depfile d good.yaml

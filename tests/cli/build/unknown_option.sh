mvpctl build --formta disk good.yaml

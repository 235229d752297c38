mvpctl diff good.yaml nothing

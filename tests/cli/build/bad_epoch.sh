SOURCE_DATE_EPOCH=yesterday mvpctl build good.yaml

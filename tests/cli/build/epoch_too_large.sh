SOURCE_DATE_EPOCH=4294967296 mvpctl build good.yaml

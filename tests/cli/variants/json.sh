mvpctl variants --json --oem lg good.yaml

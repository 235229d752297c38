mvpctl variants --oem gogle --carrier verison good.yaml

mvpctl variants good.yaml
mvpctl variants --oem google --oem samsung --carrier verizon --carrier open -o /srv/phones good.yaml

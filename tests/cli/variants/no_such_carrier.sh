# A word that is near no name: the names that there are.
mvpctl variants --carrier telecom good.yaml

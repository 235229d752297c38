# Behind -- a name may begin with a dash.
cp good.yaml -- -q
mvpctl validate -- -q

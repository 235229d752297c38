mvpctl oem show qualcomm
mvpctl oem show samsung --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["partitions"][0])'

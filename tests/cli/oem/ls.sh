mvpctl oem ls
mvpctl oem ls --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["schema"], [p["name"] for p in d["profiles"]])'

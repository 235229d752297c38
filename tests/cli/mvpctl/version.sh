mvpctl --version
mvpctl --version --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["schema"], d["version"], d["release"])'
mvpctl build --version

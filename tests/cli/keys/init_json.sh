mvpctl keys init --json mine | python3 -c '
import json, sys
last = -1
for line in sys.stdin:
    e = json.loads(line)
    assert e["schema"] == "mvp.event" and e["version"] == 1, e
    if e["event"] == "progress":
        assert last <= e["percent"] <= 100, (last, e)
        last = e["percent"]
    else:
        print(line, end="")
print(last)'

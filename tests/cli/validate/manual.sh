# mvp-manifest(5) names every key of the schema, and its example is valid.
python3 - <<'X'
import json, os, re

root = os.environ["ROOT"]
page = open(f"{root}/man/mvp-manifest.5").read().replace("\\-", "-")
schema = json.load(open(f"{root}/manifests/schema.json"))
names = set()


def walk(node):
    if isinstance(node, dict):
        names.update(node.get("properties", {}))
        for v in node.values():
            walk(v)
    elif isinstance(node, list):
        for v in node:
            walk(v)


walk(schema)
for n in sorted(names):
    if not re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", page):
        print(f"mvp-manifest(5) does not name '{n}'")
example = re.search(r"\.SH EXAMPLE\n\.nf\n\.RS\n(.*?)\.RE", page, re.S).group(1)
open("example.yaml", "w").write(example)
X
mkdir -p inputs/personal personas/personal
: >inputs/personal/a.deb
: >inputs/work-rootfs.tar.zst
mvpctl -q validate example.yaml

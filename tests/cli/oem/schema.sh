# The JSON Schema of profiles says of each profile what mvpctl says, by a validator and a reader of YAML that are not ours.
cat >schema.py <<'X'
import json, os, subprocess, sys

import jsonschema, yaml

root = os.environ["ROOT"]
schema = json.load(open(f"{root}/templates/oem/schema.json"))
jsonschema.Draft202012Validator.check_schema(schema)
checker = jsonschema.Draft202012Validator(schema)


class Loader(yaml.SafeLoader):
    """YAML 1.2: yes and no are words."""


Loader.yaml_implicit_resolvers = {key: [(tag, regexp) for tag, regexp in value if not tag.endswith((":bool", ":timestamp"))]
                                  for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}

GOOD = "oem: 1\nname: x\nbundles: [disk]\n"
PART = GOOD + "partitions: [{name: boot, content: boot%s}]\n"
cases = {f"{root}/templates/oem/{name}": True for name in os.listdir(f"{root}/templates/oem") if name.endswith(".yaml")}
for at, (text, good) in enumerate({
    GOOD: True,
    "oem: 2\nname: x\nbundles: [disk]\n": False,
    "oem: 1\nbundles: [disk]\n": False,
    "oem: 1\nname: x\n": False,
    "oem: 1\nname: x\nbundles: [odim]\n": False,
    GOOD + "storage: {type: emmc, sector-size: 4096}\n": True,
    GOOD + "storage: {type: nand}\n": False,
    GOOD + "storage: {sector-size: 1024}\n": False,
    GOOD + "slots: 3\n": False,
    GOOD + "signing: avb\nboot-header: 4\nmax-download: 256 MiB\n": True,
    GOOD + "max-download: much\n": False,
    GOOD + "colour: red\n": False,
    GOOD + "kdz: {version: 1}\n": False,
    GOOD + "super: {name: super, metadata-slots: 3, virtual-ab: yes}\n": True,
    GOOD + "super: {virtual-ab: maybe}\n": False,
    PART % ", size: 64 MiB": True,
    PART % ", size: 0x4000000": True,
    PART % ", size: 64 MB": False,
    PART % ", file: boot.img": False,
    PART % ", lun: 8": False,
    PART % ", archive: XX": False,
    PART % ", optional: yes": False,
    GOOD + "partitions: [{name: a b, size: 1 MiB}]\n": False,
    GOOD + "partitions: [{name: a}]\n": False,
    GOOD + "partitions: [{size: 1 MiB}]\n": False,
    GOOD + "partitions: [{name: a, content: nothing}]\n": False,
}.items()):
    name = f"case{at}.yaml"
    open(name, "w").write(text)
    cases[name] = good
for name, good in cases.items():
    ours = subprocess.run(["mvpctl", "-q", "oem", "check", name], stderr=subprocess.PIPE).returncode == 0
    theirs = checker.is_valid(yaml.load(open(name), Loader))
    if ours != good or theirs != good:
        print(f"{open(name).read()}good: {good}, mvpctl: {ours}, JSON Schema: {theirs}", file=sys.stderr)
X
/usr/bin/python3 schema.py

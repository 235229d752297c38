# Every command and option is in every script, and bash accepts its own.
mvpctl help --json >help.json
for s in bash zsh fish; do mvpctl completion $s >$s; done
bash -n bash
python3 - <<'X'
import json

help_ = json.load(open("help.json"))
for shell in ("bash", "zsh", "fish"):
    script = open(shell).read()
    for c in help_["commands"]:
        for word in c["name"].split():
            assert word in script, (shell, word)
        for o in c["options"] + help_["options"]:
            want = f"-l {o['name'][2:]} " if shell == "fish" else o["name"]
            assert want in script, (shell, want)
X

# Every command: help on standard output, at most 80 columns, a manual page that names all its options and statuses, examples that parse.
mvpctl help --json >help.json
python3 - <<'X'
import json, os, re, shlex, subprocess

help_ = json.load(open("help.json"))
assert help_["schema"] == "mvp.help" and help_["version"] == 1
root = os.environ["ROOT"]
page = lambda name: open(f"{root}/man/{name}").read().replace("\\-", "-")
main = page("mvpctl.1")
for s in help_["exits"]:
    assert re.search(rf"^\.B {s['status']}$", main, re.M), f"mvpctl.1 lacks exit status {s}"
for o in help_["options"]:
    assert o["name"] in main, f"mvpctl.1 lacks {o['name']}"
for c in help_["commands"]:
    words = c["name"].split()
    p = subprocess.run(["mvpctl", *words, "--help"], capture_output=True, text=True)
    assert p.returncode == 0 and not p.stderr, c["name"]
    assert p.stdout.startswith(f"Usage: mvpctl {c['name']} [OPTION]..."), p.stdout
    for line in p.stdout.splitlines():
        assert len(line) <= 80 and "\t" not in line and line == line.rstrip(), (c["name"], line)
    assert "\n\n\n" not in p.stdout, c["name"]
    name = f"mvpctl-{words[0]}.1"
    text = page(name)
    for o in c["options"]:
        head = rf'^\.BR {o["letter"]} ", " {o["name"]}\b' if "letter" in o else rf'^\.B {o["name"]}\b'
        assert re.search(head, text, re.M), f"{name} lacks {o['name']}"
    for e in c["exits"]:
        assert re.search(rf"^\.B {e}$", text, re.M), f"{name} lacks exit status {e}"
    assert f".B mvpctl {c['name']}\n" in text, name
    assert f".BR mvpctl-{words[0]} (1)\n" in main, f"mvpctl.1 does not name {name}"
    assert c["examples"], c["name"]
    for e in c["examples"]:
        argv = shlex.split(e.split(" >")[0])
        assert argv[0] == "mvpctl"
        argv = [a for a in argv if a != "--json"]  # with it, help is JSON, too
        q = subprocess.run([*argv, "--help"], capture_output=True, text=True)
        assert q.returncode == 0, (e, q.stderr)
        assert q.stdout == p.stdout, e
        assert e in text, (name, e)
pages = {f for f in os.listdir(f"{root}/man") if re.match(r"mvpctl-.*\.1$", f)}
assert pages == {f"mvpctl-{c['name'].split()[0]}.1" for c in help_["commands"]}, pages
for f in os.listdir(f"{root}/man"):
    q = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", f"{root}/man/{f}"], capture_output=True, text=True)
    assert q.returncode == 0 and not q.stderr, (f, q.stderr)
X

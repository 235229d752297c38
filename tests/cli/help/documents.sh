# Every command that the documents show is one: README, CONTRIBUTING, the manual, the example manifests, and what `mvpctl explain` says.
# Each is given to mvpctl with --help, which reads all options before it answers. Explanations also show mistakes, so of them only what they
# advise, in backquotes, is looked at.
mvpctl explain --json >codes.json
python3 - <<'X'
import glob, json, os, re, shlex, subprocess

root = os.environ["ROOT"]
texts = {f: open(f).read() for f in [f"{root}/README.md", f"{root}/CONTRIBUTING.md", *glob.glob(f"{root}/man/*"), *glob.glob(f"{root}/manifests/*.yaml")]
         if os.path.isfile(f)}
texts["explain"] = "\n".join(c["explanation"] for c in json.load(open("codes.json"))["codes"])


def commands(name, text):
    text = text.replace("\\-", "-").replace("\\e\n", "").replace("\\\n", "")
    shown = re.findall(r"^\s*(?:\.\./|build/)?(mvpctl (?![a-z]+\(|turns|lays).*)$", text, re.M) if name.endswith(".md") else []
    if "/man/" in name:  # in blocks between .nf and .fi
        shown = [l.strip() for block in re.findall(r"^\.nf$(.*?)^\.fi$", text, re.M | re.S) for l in block.splitlines() if l.strip().startswith("mvpctl ")]
    return shown + [c for c in re.findall(r"`(mvpctl [^`]+)`", text) if not re.search(r"[A-Z]{3,}", c)]


counts = {}
for name, text in texts.items():
    for command in commands(name, text):
        line = re.split(r"  +#|   +| [>|&]| 2>", command)[0]
        words = [w for w in shlex.split(line) if w != "--json"]
        p = subprocess.run([*words, "--help"], capture_output=True, text=True)
        if name == "explain" and " needs " in p.stderr:  # an option in a sentence, without what it is for
            continue
        assert p.returncode == 0 and p.stdout.startswith("Usage: mvpctl"), (os.path.basename(name), command, p.stderr)
        counts[os.path.splitext(name)[1]] = counts.get(os.path.splitext(name)[1], 0) + 1
assert counts[".md"] > 15 and counts[".1"] > 40 and counts[""] > 10, counts  # this looks at what it is meant to look at
X

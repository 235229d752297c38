# Each code that the sources use has a row in the list, each row is used somewhere, and each has its page.
python3 - <<'X'
import json, os, re, subprocess

root = os.environ["ROOT"]
rows = re.findall(r"^DIAG\((\d{4}),", open(f"{root}/imagegen/base/diag_codes.def").read(), re.M)
assert len(rows) == len(set(rows)), "a code has two rows"
used = {}
for top in ("cli", "imagegen"):
    for folder, _, files in os.walk(f"{root}/{top}"):
        for f in files:
            if f.endswith((".c", ".h")):
                for code in re.findall(r"\bMVP(\d{4})\b", re.sub(r"/\*.*?\*/", "", open(f"{folder}/{f}").read(), flags=re.S)):
                    used.setdefault(code, f)
for code in sorted(set(rows) - set(used)):
    print(f"MVP{code} has a row but nothing reports it")
for code in sorted(set(used) - set(rows)):
    print(f"MVP{code} in {used[code]} has no row")
listed = {c["code"]: c for c in json.loads(subprocess.check_output(["mvpctl", "explain", "--json"]))["codes"]}
assert set(listed) == {f"MVP{c}" for c in rows}
for code, c in listed.items():
    page = c["explanation"]
    if len(page) < 80 or not page.endswith("\n") or page.endswith("\n\n"):
        print(f"{code}: its page is too short or does not end in one line feed")
    text = subprocess.check_output(["mvpctl", "explain", code], text=True).splitlines()
    if text[0] != f"{code}: {c['title']}":
        print(f"{code}: explain prints another title")
    for line in text:
        if len(line) > 110 or (len(line) > 80 and not line.startswith(" ")):
            print(f"{code}: a line of {len(line)} columns: {line}")
X

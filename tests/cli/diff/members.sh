# A member that differs, one that only one archive has; nothing for the same. The status is that of diff(1).
mkdir a b
echo one >a/same; cp a/same b/same
echo one >a/other; echo two >b/other
echo x >b/new
tar --format=ustar -C a -cf a.tar same other
tar --format=ustar -C b -cf b.tar same other new
mvpctl diff a.tar b.tar || echo "status $?"
! mvpctl diff --json a.tar b.tar >json
python3 - <<'X'
import json

d = json.load(open("json"))
print(d["same"], [(x["where"], x["change"]) for x in d["differences"]])
X
mvpctl diff a.tar a.tar

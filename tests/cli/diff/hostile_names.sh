# A name that would clear the screen, and one that would look like a line of ours.
python3 - <<'END'
import tarfile
for name, members in ("a.tar", ["same"]), ("b.tar", ["same", "x\x1b[2J", "y\nOnly in a.tar: z"]):
    with tarfile.open(name, "w", format=tarfile.GNU_FORMAT) as t:
        for m in members:
            t.addfile(tarfile.TarInfo(m))
END
mvpctl diff a.tar b.tar

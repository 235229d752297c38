"""What layers say is what the file system holds: each file of the merged image, as debugfs shows it, against the archives as Python's
tarfile reads them."""
import glob
import hashlib
import io
import os
import re
import subprocess
import tarfile

from kit import env, oracle
from kit.cases import cases
from kit.env import check, check_equal, run

MKEXT4 = os.path.join(env.O, "bench", "mkext4")
EPOCH = 1700000000
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
ALWAYS = {"data": 0o755, "dev": 0o755, "proc": 0o555, "run": 0o755, "sys": 0o555, "tmp": 0o1777, "lost+found": 0o700}
TYPES = {"regular": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "FIFO": tarfile.FIFOTYPE,
         "character special": tarfile.CHRTYPE, "block special": tarfile.BLKTYPE}


def _entry(tar, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, xattrs=(), **fields):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, len(data), 1600000000
    for key, value in fields.items():
        setattr(info, key, value)
    info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs}
    tar.addfile(info, io.BytesIO(data))


def _odd_tar(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        _entry(tar, "bin/ping", data=b"ping" * 3000, mode=0o4755, uid=70000, gid=80000,
               xattrs=[("security.capability", CAPABILITY.decode("latin-1"))])
        _entry(tar, "etc/label", data=b"x", xattrs=[("security.selinux", "u:object_r:system_file:s0"), ("user.note", "n" * 300)])
        _entry(tar, "etc/twice", data=b"first")
        _entry(tar, "etc/twice", data=b"second, longer", mode=0o600)
        _entry(tar, "etc/other-name", tarfile.LNKTYPE, linkname="etc/twice")
        _entry(tar, "usr/" + "l" * 255, data=b"long name")
        _entry(tar, "etc/h\udcf6flich", data=b"latin-1 name")
        _entry(tar, "etc/long-link", tarfile.SYMTYPE, linkname="/" + "t/" * 200)
        _entry(tar, "etc/short-link", tarfile.SYMTYPE, linkname="label")
        _entry(tar, "dev/console", tarfile.CHRTYPE, mode=0o600, devmajor=5, devminor=1)
        _entry(tar, "dev/big", tarfile.BLKTYPE, mode=0o660, devmajor=259, devminor=70000)
        _entry(tar, "run/pipe", tarfile.FIFOTYPE, mode=0o620)
        _entry(tar, "var/empty", tarfile.DIRTYPE, mode=0o2750, gid=43)
        for i in range(1500):
            _entry(tar, f"many/{i:04}-{'n' * (i % 180)}", data=b"%d" % i)


def _expected(tars):
    """{path: (TarInfo, content)} of the merged archives; a hard link has its file's."""
    merged = {}
    for path in tars:
        with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as tar:
            for info in tar:
                name = os.path.normpath(info.name)
                if name == ".":
                    continue
                if info.islnk():
                    merged[name] = merged[os.path.normpath(info.linkname)]
                else:
                    merged[name] = (info, tar.extractfile(info).read() if info.isreg() else b"")
    return merged


def _stats(image, names):
    """{name: what debugfs says of it}."""
    quoted = b"".join(b'stat "/%s"\n' % os.fsencode(name) for name in names)
    done = subprocess.run([env.program("debugfs"), "-f", "-", image], input=quoted, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=600, check=True)
    parts = done.stdout.split(b"debugfs: stat ")[1:]
    check_equal(len(parts), len(names), "answers of debugfs")
    return {name: part.decode("utf-8", "surrogateescape") for name, part in zip(names, parts)}


def _compare(name, info, content, text, folder):
    kind, mode = re.search(r"Type: (.+?) +Mode: +(\d+)", text).groups()
    check_equal(TYPES.get(kind), tarfile.REGTYPE if info.isreg() else info.type, f"{name}: type")
    owner = tuple(int(n) for n in re.search(r"User: +(\d+) +Group: +(\d+)", text).groups())
    check_equal(owner, (info.uid, info.gid), f"{name}: owner")
    if not info.issym():
        check_equal(int(mode, 8), info.mode & 0o7777, f"{name}: mode")
    mtime = int(re.search(r"mtime: 0x([0-9a-f]+)", text)[1], 16)
    check_equal(mtime, min(int(info.mtime), EPOCH), f"{name}: mtime")
    size = int(re.search(r"Size: (\d+)", text)[1])
    if info.isreg():
        check_equal(size, len(content), f"{name}: size")
    elif info.issym():
        check_equal(size, len(os.fsencode(info.linkname)), f"{name}: length of the target")
        if size < 60:
            check_equal(re.search(r'Fast link dest: "(.*)"', text)[1], info.linkname, f"{name}: target")
    elif info.ischr() or info.isblk():
        device = re.search(r"major/minor number: (\d+):(\d+)", text).groups()
        check_equal(tuple(map(int, device)), (info.devmajor, info.devminor), f"{name}: device")
    attributes = re.findall(r"^  (\S+) \((\d+)\)", text, re.M)
    wanted = [(key.removeprefix("SCHILY.xattr."), len(value.encode("utf-8", "surrogateescape")))
              for key, value in sorted(info.pax_headers.items()) if key.startswith("SCHILY.xattr.")]
    if info.name != "bin/ping":  # its value is bytes, which tarfile's text form cannot hold
        check_equal(sorted((a, int(n)) for a, n in attributes), wanted, f"{name}: extended attributes")


def _contents(image, folder, expected):
    out = os.path.join(folder, "out")
    os.makedirs(out)
    run(["debugfs", "-R", f"rdump / {out}", image])
    for name, (info, content) in expected.items():
        path = os.path.join(os.fsencode(out), os.fsencode(name))
        if info.isreg():
            with open(path, "rb") as f:
                check(f.read() == content, f"{name}: the content differs")
        elif info.issym():
            check_equal(os.readlink(path), os.fsencode(info.linkname), f"{name}: target")


def _package_tars(folder):
    tars = []
    for deb in sorted(glob.glob(os.path.join(env.INPUTS, "work", "*.deb"))):
        if "linux-image" in deb:
            continue
        path = os.path.join(folder, os.path.basename(deb) + ".tar")
        with open(path, "wb") as f:
            subprocess.run([env.program("dpkg-deb"), "--fsys-tarfile", deb], stdout=f, check=True, timeout=120)
        tars.append(path)
    check(len(tars) >= 4, f"packages: {tars}")
    return tars[:4]


SOURCES = {"odd": ("odd",), "packages": ("packages",)}


@cases(**SOURCES)
def test_every_file(source):
    folder = env.fresh("layers", source)
    odd = os.path.join(folder, "odd.tar")
    _odd_tar(odd)
    tars = [odd] if source == "odd" else _package_tars(folder)
    image = os.path.join(folder, "system.img")
    run([MKEXT4, image, folder, *(word for tar in tars for word in ("tar", tar))])
    run(["e2fsck", "-fn", image])
    expected = _expected(tars)
    stats = _stats(image, list(expected))
    for name, (info, content) in expected.items():
        _compare(name, info, content, stats[name], folder)
    _contents(image, folder, expected)
    # And nothing else is there but the folders above the entries, and those that every persona has. (debugfs extracts no devices.)
    folders = {"/".join(name.split("/")[:i]) for name in expected for i in range(1, name.count("/") + 1)} | set(ALWAYS)
    held = {os.path.relpath(os.path.join(top, n), os.fsencode(os.path.join(folder, "out"))) for top, dirs, files in
            os.walk(os.fsencode(os.path.join(folder, "out"))) for n in dirs + files}
    wanted = {os.fsencode(n) for n in set(expected) | folders if n not in expected or not expected[n][0].isdev()}
    check_equal(sorted(held ^ wanted)[:10], [], "names in the image, or in the archives, alone")
    if source == "odd":
        check("(20)" in stats["bin/ping"], "the capability of ping is missing")
        hex_value = run(["debugfs", "-R", "ea_get -x /bin/ping security.capability", image]).stdout
        check(CAPABILITY.hex() in re.sub(r"[^0-9a-f]", "", hex_value.split("=")[-1]), f"the capability of ping: {hex_value}")
        check_equal(re.search(r"Links: (\d+)", stats["etc/twice"])[1], "2", "names of /etc/twice")
        check_equal(re.search(r"Inode: (\d+)", stats["etc/twice"])[1], re.search(r"Inode: (\d+)", stats["etc/other-name"])[1],
                    "the inode of the other name")


def _kind(info):
    return {tarfile.REGTYPE: 0o100000, tarfile.DIRTYPE: 0o040000, tarfile.SYMTYPE: 0o120000, tarfile.CHRTYPE: 0o020000,
            tarfile.BLKTYPE: 0o060000, tarfile.FIFOTYPE: 0o010000}[tarfile.REGTYPE if info.isreg() else info.type]


def test_linux_sees_what_the_layers_say():
    """Mounted by Debian's kernel: content, modes, owners, times, links, devices and attributes of each file are those of the archives."""
    folder = env.fresh("layers", "linux")
    odd, image = os.path.join(folder, "odd.tar"), os.path.join(folder, "system.img")
    _odd_tar(odd)
    tars = _package_tars(folder) + [odd]
    run([MKEXT4, image, folder, *(word for tar in tars for word in ("tar", tar))])
    before = env.sha256(image)
    expected, held = _expected(tars), oracle.list_file_system(image, "layers-list")
    check_equal(env.sha256(image), before, "SHA-256 of the image after Linux read it")
    check(len(expected) > 1700, f"{len(expected)} names in the layers")
    for name, (info, content) in expected.items():
        got = held.get(os.fsencode(name))
        check(got, f"Linux does not see {name}")
        mask = 0o170000 if info.issym() else 0o177777  # the mode of a link means nothing
        check_equal(int(got["mode"], 8) & mask, (_kind(info) | info.mode & 0o7777) & mask, f"{name}: mode")
        check_equal(got["owner"], b"%d:%d" % (info.uid, info.gid), f"{name}: owner")
        check_equal(int(got["time"]), min(int(info.mtime), EPOCH), f"{name}: time")
        if info.isreg():
            check_equal(got.get("sha256"), hashlib.sha256(content).hexdigest().encode(), f"{name}: content")
        if info.issym():
            check_equal(got["target"], os.fsencode(info.linkname), f"{name}: target")
        if info.isdev() and not info.isfifo():
            check_equal(got["device"], b"%d:%d" % (info.devmajor, info.devminor), f"{name}: device")
        wanted = {key.removeprefix("SCHILY."): value.encode("utf-8", "surrogateescape") for key, value in info.pax_headers.items()
                  if key.startswith("SCHILY.xattr.")}
        if name == "bin/ping":
            wanted = {"xattr.security.capability": CAPABILITY}  # bytes, which tarfile's text form cannot hold
        check_equal({key: value for key, value in got.items() if key.startswith("xattr.")}, wanted, f"{name}: attributes")
    folders = {"/".join(name.split("/")[:i]) for name in expected for i in range(1, name.count("/") + 1)} | set(ALWAYS)
    check_equal(sorted(set(held) - {os.fsencode(n) for n in set(expected) | folders}), [], "names that Linux sees and no layer has")
    check_equal((held[b"etc/twice"]["names"], held[b"etc/other-name"]["inode"]), (b"2", held[b"etc/twice"]["inode"]), "the hard link")


def test_a_file_above_4_gib():
    """Its holes are neither stored nor read, and its last bytes are where they belong."""
    folder = env.fresh("layers", "large")
    large, tail = os.path.join(folder, "large"), hashlib.sha256(b"tail").digest() * 128
    with open(large, "wb") as f:
        f.write(b"head")
        f.seek(5 << 30)
        f.write(tail)
    tar, image = os.path.join(folder, "large.tar"), os.path.join(folder, "large.img")
    run(["tar", "--sparse", "--numeric-owner", "-C", folder, "-cf", tar, "large"])
    check(os.path.getsize(tar) < 1 << 20, "GNU tar stored the holes")
    os.unlink(large)
    run([MKEXT4, image, folder, "tar", tar])
    run(["e2fsck", "-fn", image])
    check(os.path.getsize(image) < 64 << 20, f"the image has {os.path.getsize(image)} bytes")
    text = run(["debugfs", "-R", "stat /large", image]).stdout
    check_equal(int(re.search(r"Size: (\d+)", text)[1]), (5 << 30) + len(tail), "size of the file")
    blocks = [int(n) for n in run(["debugfs", "-R", "blocks /large", image]).stdout.split()]
    check_equal(len(blocks), 2, "blocks of the file")
    with open(image, "rb") as f:
        for block, want in zip(blocks, (b"head", tail)):
            f.seek(block * 4096)
            check_equal(f.read(len(want)), want, f"content of block {block}")


def test_a_large_folder():
    """Its index is one that e2fsck and the library find every name by, beyond 65000 names."""
    count = 70000
    folder = env.fresh("layers", "folder")
    tar, image = os.path.join(folder, "many.tar"), os.path.join(folder, "many.img")
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as out:
        for i in range(count):
            out.addfile(tarfile.TarInfo(f"many/file-{i}"))
    run([MKEXT4, image, folder, "tar", tar])
    run(["e2fsck", "-fn", image])
    check("Flags: 0x81000" in run(["debugfs", "-R", "stat /many", image]).stdout, "the folder has no index (EXT4_INDEX_FL)")
    names = _stats(image, [f"many/file-{i}" for i in range(0, count, count // 50)])
    check(all(re.search(r"Type: regular", text) for text in names.values()), "a name of the large folder was not found")
    os.unlink(tar)


def test_hostile_archives_stay_inside():
    """Entries with absolute names and behind links land in the image; none outside it, and names that climb are refused."""
    folder = env.fresh("layers", "hostile")
    tar, image, mark = os.path.join(folder, "h.tar"), os.path.join(folder, "h.img"), os.path.join(folder, "escaped")
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        _entry(out, "up", tarfile.SYMTYPE, linkname="../../../../../../../../" + folder)
        _entry(out, "up/escaped", data=b"x")
        _entry(out, mark + "-absolute", data=b"y")
    run([MKEXT4, image, folder, "tar", tar])
    check(not os.path.exists(mark) and not os.path.exists(mark + "-absolute"), "an entry escaped")
    check("Type: regular" in run(["debugfs", "-R", f"stat {mark}", image]).stdout, "the entry behind the link is not inside")
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        _entry(out, "a/../../escaped", data=b"x")
    os.unlink(image)
    done = run([MKEXT4, image, folder, "tar", tar], status=1)
    check("MVP0303" in done.stderr and not os.path.exists(image) and not os.path.exists(mark), f"a name that climbs: {done.stderr}")

#!/bin/sh
# Shows the bundles of every OEM profile (tests/e2e/mkformats.c) to the makers' and other independent programs, and compares what comes out
# with the partitions that went in, byte for byte.
set -u
: "${O:?folder of the build}"
mkformats=$O/e2e/mkformats
mvpctl=${MVPCTL:-$O/mvpctl}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/bundles.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
export PATH="$PATH:/usr/sbin:/sbin"
passed=0 failed=0

# t NAME FUNCTION: one test; its output is shown when it fails.
t()
{
	(set -e; "$2") >"$work/output" 2>&1
	if [ $? -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL - $1"
		tail -n 40 "$work/output"
	fi
}

equal() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
refuses() { if "$@"; then echo "accepted: $*"; return 1; fi; }
# same FILE PART: the file is the partition's image; what is behind it is zero.
same()
{
	len=$(stat -c %s "$work/a/part-$2.img")
	cmp -n "$len" "$1" "$work/a/part-$2.img"
	tail -c +$((len + 1)) "$1" | tr -d '\0' | wc -c | grep -qx 0
}
# expand FILE OUT: an image as it is, or expanded if it is sparse.
expand()
{
	rm -f "$2"
	if [ "$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')" = 3aff26ed ]; then simg2img "$1" "$2"; else cp "$1" "$2"; fi
}

cd "$root" || exit 1
mkdir "$work/a"
openssl genrsa -out "$work/oem.pem" 2048 2>"$work/output" && chmod 600 "$work/oem.pem" || exit 1
"$mkformats" "$work/a" "$work/oem.pem" >"$work/sums" || exit 1
cd "$work" || exit 1

# Odin.
odin=a/samsung
odin_names()
{
	for archive in AP BL CSC HOME_CSC; do
		[ -f $odin/${archive}_acme_7_VZW.tar.md5 ]
	done
	[ ! -e $odin/CP_acme_7_VZW.tar.md5 ] # there is no modem firmware
}
odin_md5() # md5sum -t writes the line that Odin looks for
{
	for f in $odin/*.tar.md5; do
		name=$(basename "$f" .md5)
		line=$((32 + 2 + ${#name} + 1))
		head -c -$line "$f" >"$name"
		md5sum -t "$name" | cmp - "$(tail -c $line "$f" >line; echo line)"
		equal "$(($(stat -c %s "$name") % 10240))" 0
		printf x | dd of="$name" bs=1 seek=600 conv=notrunc status=none
		refuses cmp -s line "$(md5sum -t "$name" >other; echo other)"
	done
}
odin_members()
{
	equal "$(tar -tf $odin/AP_acme_7_VZW.tar.md5 | tr '\n' ' ')" 'boot.img.lz4 vbmeta.img.lz4 '
	equal "$(tar -tf $odin/BL_acme_7_VZW.tar.md5 | tr '\n' ' ')" 'pgpt0.img sgpt0.img '
	equal "$(tar -tf $odin/CSC_acme_7_VZW.tar.md5 | tr '\n' ' ')" \
		'acme.pit meta-data/csc/VZW/cscfeature.xml meta-data/csc/VZW/customer.xml meta-data/csc/VZW/apns-conf.xml personal.img.lz4 work.img.lz4 '
	refuses grep -q personal <<-EOL
	$(tar -tf $odin/HOME_CSC_acme_7_VZW.tar.md5)
	EOL
	mkdir -p odin
	for f in $odin/*.tar.md5; do
		tar -xf "$f" -C odin
	done
	for part in boot vbmeta personal work; do
		lz4 -t odin/$part.img.lz4
		# Frame of version 1: independent blocks of 1 MiB, content size and checksum.
		equal "$(head -c 6 odin/$part.img.lz4 | od -An -tx1 | tr -d ' ')" 04224d186c60
		lz4 -dc odin/$part.img.lz4 >odin/$part.img
		equal "$(od -An -tu8 -j6 -N8 odin/$part.img.lz4 | tr -d ' ')" "$(stat -c %s odin/$part.img)"
		expand odin/$part.img odin/$part.raw
		same odin/$part.raw $part
	done
	for f in odin/meta-data/csc/VZW/*.xml; do
		xmllint --noout "$f"
	done
	equal "$(xmllint --xpath 'string(//SalesCode)' odin/meta-data/csc/VZW/cscfeature.xml)" VZW
	equal "$(xmllint --xpath 'count(//apn)' odin/meta-data/csc/VZW/apns-conf.xml)" 4
}
odin_pit()
{
	heimdall print-pit --file odin/acme.pit >pit.out
	equal "$(sed -n 's/^Partition Name: //p' pit.out | tr '\n' ' ')" 'PGPT bootloader radio boot vbmeta personal work SGPT '
	equal "$(sed -n 's/^Flash Filename: //p' pit.out | tr '\n' ' ')" 'pgpt0.img - - boot.img vbmeta.img personal.img work.img sgpt0.img '
	# The tables at the places that the PIT gives make a disk that sgdisk finds sound, with partitions where the PIT says they are.
	python3 - <<-'EOL'
	import re
	text = open("pit.out").read()
	entries = [dict(re.findall(r"^(Partition Name|Partition Block Size/Offset|Partition Block Count): (.*)$", e, re.M)) for e in text.split("--- Entry")[1:]]
	last = entries[-1]
	end = int(last["Partition Block Size/Offset"]) + int(last["Partition Block Count"])
	with open("odin/disk.img", "wb") as f:
	    f.truncate(end * 512)
	    for e, name in ((entries[0], "pgpt0.img"), (last, "sgpt0.img")):
	        f.seek(int(e["Partition Block Size/Offset"]) * 512)
	        f.write(open("odin/" + name, "rb").read())
	with open("pit.places", "w") as f:
	    for e in entries[1:-1]:
	        start = int(e["Partition Block Size/Offset"])
	        f.write(f"{e['Partition Name']} {start} {start + int(e['Partition Block Count']) - 1}\n")
	EOL
	sgdisk -v odin/disk.img >out
	grep -q 'No problems found' out
	refuses grep -q 'Creating new' out
	sgdisk -p odin/disk.img | awk '$1 ~ /^[0-9]+$/ { print $7, $2, $3 }' | cmp - pit.places
}
t 'Odin: the packages are named by archive, product, version and sales code' odin_names
t 'Odin: md5sum agrees with the line at the end of each package' odin_md5
t 'Odin: tar, lz4 and simg2img bring the partitions back' odin_members
t 'Odin: heimdall reads the PIT, and it agrees with the partition tables' odin_pit

# EDL.
edl()
{
	unzip -q -o a/qualcomm/acme-edl-7.zip -d edl
	xmllint --noout edl/rawprogram0.xml edl/patch0.xml
	equal "$(xmllint --xpath '//program/@label' edl/rawprogram0.xml | sed 's/.*="\(.*\)"/\1/' | tr '\n' ' ')" \
		'boot_a boot_b vbmeta_a vbmeta_b modem_a modem_b misc personal work PrimaryGPT BackupGPT '
}
edl_applied() # what a programmer does: write the files, then patch a flash that is larger than the tables were made for
{
	python3 - <<-'EOL'
	import re, subprocess, struct, zlib
	import xml.etree.ElementTree as et
	SS, SECTORS = 4096, 131072
	ns = lambda s: int(eval(s.rstrip(".").replace("NUM_DISK_SECTORS", str(SECTORS))))
	with open("edl/disk.img", "w+b") as disk:
	    disk.truncate(SS * SECTORS)
	    for p in et.parse("edl/rawprogram0.xml").getroot():
	        assert int(p.get("SECTOR_SIZE_IN_BYTES")) == SS
	        if not p.get("filename"):
	            continue
	        name = "edl/" + p.get("filename")
	        if p.get("sparse") == "true":
	            subprocess.run(["simg2img", name, "edl/raw"], check=True)
	            name = "edl/raw"
	        data = open(name, "rb").read()
	        assert len(data) <= int(p.get("num_partition_sectors")) * SS, p.get("label")
	        disk.seek(ns(p.get("start_sector")) * SS)
	        disk.write(data)
	        subprocess.run(["rm", "-f", "edl/raw"], check=True)
	    def value(v):
	        crc = re.fullmatch(r"CRC32\((.*),(\d+)\)", v)
	        if not crc:
	            return ns(v)
	        disk.seek(ns(crc[1]) * SS)
	        return zlib.crc32(disk.read(int(crc[2])))
	    for p in et.parse("edl/patch0.xml").getroot():
	        if p.get("filename") != "DISK":
	            continue
	        size = int(p.get("size_in_bytes"))
	        v = value(p.get("value"))
	        disk.seek(ns(p.get("start_sector")) * SS + int(p.get("byte_offset")))
	        disk.write(v.to_bytes(size, "little"))
	    for p in et.parse("edl/rawprogram0.xml").getroot():
	        if p.get("label") in ("boot_a", "boot_b", "vbmeta_a", "vbmeta_b", "personal", "work"):
	            part = p.get("label").split("_")[0]
	            want = open(f"a/part-{part}.img", "rb").read()
	            disk.seek(int(p.get("start_sector")) * SS)
	            assert disk.read(len(want)) == want, part
	EOL
	# sgdisk cannot be told the size of sectors of a file; fdisk can.
	printf 'v\nq\n' | fdisk -b 4096 edl/disk.img >out 2>&1
	grep -q 'No errors detected' out
	refuses grep -qi 'corrupt' out
	equal "$(fdisk -b 4096 -l -o Name edl/disk.img | sed '1,/^Name/d' | tr '\n' ' ')" 'boot_a boot_b vbmeta_a vbmeta_b modem_a modem_b misc personal work '
}
edl_files_patched() # the patches for the files say the same of these
{
	python3 - <<-'EOL'
	import xml.etree.ElementTree as et
	kinds = {p.get("filename") for p in et.parse("edl/patch0.xml").getroot()}
	assert kinds == {"DISK", "gpt_main0.bin", "gpt_backup0.bin"}, kinds
	EOL
}
edl_qdl() # It reads all descriptions before it looks for a device, and there waits.
{
	: >edl/prog.mbn
	rc=0
	timeout 5 qdl --storage ufs edl/prog.mbn edl/rawprogram0.xml edl/patch0.xml >out 2>&1 || rc=$?
	cat out
	equal $rc 124
	equal "$(tr -d '\n' <out)" 'Waiting for EDL device'
	sed '/boot_a/s/ start_sector="[^"]*"//' edl/rawprogram0.xml >edl/wrong.xml
	refuses cmp -s edl/rawprogram0.xml edl/wrong.xml
	rc=0
	timeout 5 qdl --storage ufs edl/prog.mbn edl/wrong.xml edl/patch0.xml >out 2>&1 || rc=$?
	equal $rc 1
}
t 'EDL: xmllint reads the descriptions, and both slots are in them' edl
t 'EDL: qdl takes the descriptions, and none that lacks a sector' edl_qdl
t 'EDL: a flash programmed and patched by them is sound and holds the partitions' edl_applied
t 'EDL: tables are patched in files and on the disk' edl_files_patched

# KDZ: read by a few lines of Python that share nothing with the writer.
kdz()
{
	python3 - a/lg/acme_7_verizon.kdz <<-'EOL'
	import hashlib, struct, sys, zlib
	f = open(sys.argv[1], "rb").read()
	size, magic = struct.unpack_from("<II", f)
	assert (size, magic) == (1320, 0x25223824)
	dz_len, dz_at = struct.unpack_from("<QQ", f, 8 + 256)
	assert dz_at + dz_len == len(f)
	assert f[280:1320].strip(b"\0") == b"" and f[1320:83768].strip(b"\0") == b""
	dz = f[dz_at:]
	assert struct.unpack_from("<III", dz) == (0x74189632, 2, 1)
	chunks, = struct.unpack_from("<I", dz, 192)
	head = bytearray(dz[:512])
	crc, = struct.unpack_from("<I", head, 308)
	head[222:238] = bytes(16)
	head[308:312] = bytes(4)
	assert zlib.crc32(head) == crc
	head[222:238] = b"\xff" * 16
	head[308:312] = struct.pack("<I", crc)
	assert dz[440:464].rstrip(b"\0") == b"VZW.US" and dz[213] == 1
	headers, at, parts, last = hashlib.md5(), 512, {}, -1
	for i in range(chunks):
	    h = dz[at:at + 512]
	    assert struct.unpack_from("<I", h)[0] == 0x78951230
	    length, packed = struct.unpack_from("<II", h, 100)
	    sector, count, lun, c = struct.unpack_from("<IIII", h, 124)
	    data = zlib.decompress(dz[at + 512:at + 512 + packed])
	    assert len(data) == length == count * 4096 and zlib.crc32(data) == c
	    assert hashlib.md5(data).digest() == h[108:124] and sector > last
	    last = sector
	    headers.update(h)
	    name = h[4:36].rstrip(b"\0").decode()
	    start, = struct.unpack_from("<I", h, 152)
	    parts.setdefault(name, []).append((sector - start, data))
	    at += 512 + packed
	assert at == len(dz)
	assert headers.digest() == dz[196:212]
	assert hashlib.md5(bytes(head) + dz[512:]).digest() == dz[222:238]
	assert list(parts) == ["PrimaryGPT", "boot", "vbmeta", "personal", "work", "BackupGPT"], list(parts)
	for part in ("boot", "vbmeta", "personal", "work"):
	    want = open(f"a/part-{part}.img", "rb").read()
	    got = bytearray(len(want) + (1 << 26))
	    for at, data in parts[part]:
	        got[at * 4096:at * 4096 + len(data)] = data
	    assert got[:len(want)] == want and not any(got[len(want):]), part
	EOL
}
t 'KDZ: digests, sums and contents are right' kdz

# The factory zip of a handset with two slots.
google()
{
	sgdisk -p a/google/acme-7.img | awk '$1 ~ /^[0-9]+$/ { print $7 }' >names
	equal "$(tr '\n' ' ' <names)" 'boot_a boot_b vbmeta_a vbmeta_b super misc personal work '
	equal "$(sgdisk -A 1:show a/google/acme-7.img | grep -c .)" 6
	unzip -q -o a/google/acme-factory-7.zip -d google
	grep -q '^flash boot_a boot.img$' google/acme-factory-7/flash-all.sh
	grep -q '^flash boot_b boot.img$' google/acme-factory-7/flash-all.sh
	grep -q 'fastboot -S 268435456 flash' google/acme-factory-7/flash-all.sh
	for n in 1 2; do
		first=$(sgdisk -i $n a/google/acme-7.img | sed -n 's/^First sector: \([0-9]*\).*/\1/p')
		dd if=a/google/acme-7.img bs=512 skip="$first" status=none | cmp -n "$(stat -c %s a/part-boot.img)" - a/part-boot.img
	done
}
t 'fastboot: both slots are on the disk and in the scripts' google

# The whole disk, expanded from the sparse image and written by the block map, onto what is not zero.
whole_disk()
{
	simg2img a/acme-one-2026.11.0.simg expanded.img
	cmp expanded.img a/acme-one-2026.11.0.img
	tr '\0' x <a/acme-one-2026.11.0.img >target.img
	bmaptool copy --bmap a/acme-one-2026.11.0.img.bmap a/acme-one-2026.11.0.img target.img
	python3 - <<-'EOL'
	import re
	want, got = open("a/acme-one-2026.11.0.img", "rb").read(), open("target.img", "rb").read()
	blocks = set()
	for a, b in re.findall(r"<Range> (\d+)(?:-(\d+))? </Range>", open("a/acme-one-2026.11.0.img.bmap").read()):
	    blocks |= set(range(int(a), int(b or a) + 1))
	assert len(blocks) < len(want) / 4096
	for i in range(0, len(want), 4096):
	    assert want[i:i + 4096] == got[i:i + 4096] if i // 4096 in blocks else not any(want[i:i + 4096]), i
	EOL
	sed 's/<Range> 0/<Range> 1/' a/acme-one-2026.11.0.img.bmap >wrong.bmap
	refuses bmaptool copy --bmap wrong.bmap a/acme-one-2026.11.0.img target.img
}
t 'disk: simg2img and bmaptool write the same' whole_disk

# The super partition: by Python, after AOSP's format; the unit test compares whole ones with lpmake's.
super()
{
	expand a/google/acme-7-super.img super.raw
	first=$(sgdisk -i 5 a/google/acme-7.img | sed -n 's/^First sector: \([0-9]*\).*/\1/p')
	dd if=a/google/acme-7.img bs=512 skip="$first" status=none | cmp -n "$(stat -c %s super.raw)" - super.raw
	python3 - <<-'EOL'
	import hashlib, struct
	f = open("super.raw", "rb").read()
	empty = open("a/google/acme-7-super_empty.img", "rb").read()
	geometry = f[4096:8192]
	assert geometry == f[8192:12288] == empty[:4096]
	magic, size = struct.unpack_from("<II", geometry)
	length, slots, block = struct.unpack_from("<III", geometry, 40)
	assert (magic, size, slots, block) == (0x616c4467, 52, 3, 4096)
	assert hashlib.sha256(geometry[:8] + bytes(32) + geometry[40:52]).digest() == geometry[8:40]
	copies = {f[12288 + i * length:12288 + (i + 1) * length] for i in range(2 * slots)}
	assert len(copies) == 1
	m = copies.pop()
	assert m.startswith(empty[4096:]) and not any(m[len(empty) - 4096:])
	header_len, = struct.unpack_from("<I", m, 8)
	tables_len, = struct.unpack_from("<I", m, 44)
	assert header_len == 256 and struct.unpack_from("<I", m, 128)[0] == 1  # virtual A/B
	assert hashlib.sha256(m[:12] + bytes(32) + m[44:256]).digest() == m[12:44]
	t = m[256:256 + tables_len]
	assert hashlib.sha256(t).digest() == m[48:80]
	at, count, size = struct.unpack_from("<III", m, 80)
	parts = [struct.unpack_from("<36sIIII", t, at + i * size) for i in range(count)]
	assert [p[0].rstrip(b"\0") for p in parts] == [b"product_a", b"product_b"]
	assert parts[0][3] == 1 and parts[1][3] == 0
	extents, _, _ = struct.unpack_from("<III", m, 92)
	sectors, kind, start, device = struct.unpack_from("<QIQI", t, extents)
	assert f[start * 512:(start + sectors) * 512] == open("a/firmware/google/product.img", "rb").read()
	EOL
}
t 'super: metadata is sound and the logical partition is in it' super

super_unpacked() # by AOSP's own lpunpack, which checks all digests of the metadata
{
	mkdir -p unpacked
	"$O"/lptools/lpunpack super.raw unpacked
	equal "$(ls unpacked | tr '\n' ' ')" 'product_a.img product_b.img '
	cmp unpacked/product_a.img a/firmware/google/product.img
	equal "$(stat -c %s unpacked/product_b.img)" 0
	# Both copies of the geometry, and all six of the metadata: nothing is left to believe.
	cp super.raw wrong.raw
	printf x | dd of=wrong.raw bs=1 seek=4100 conv=notrunc status=none
	printf x | dd of=wrong.raw bs=1 seek=8196 conv=notrunc status=none
	refuses "$O"/lptools/lpunpack wrong.raw unpacked
}
t 'super: lpunpack takes it apart' super_unpacked

super_dumped() # by AOSP's lpdump: the same in each slot, in super.img as in super_empty.img
{
	for slot in 0 1; do # it knows no third, which ours has for Virtual A/B
		"$O"/lptools/lpdump -s $slot super.raw >dump
		equal "$(head -n 1 dump)" "Slot $slot:"
		sed 1d dump >dump.$slot
		cmp dump.0 dump.$slot
	done
	"$O"/lptools/lpdump a/google/acme-7-super_empty.img | cmp - dump.0
	python3 - <<-'EOL'
	import os, re
	text = open("dump.0").read()
	def one(pattern):
	    found = re.findall(pattern, text, re.M)
	    assert len(found) == 1, (pattern, found, text)
	    return found[0]
	assert one(r"^Metadata version: (.*)") == "10.2"
	assert one(r"^Metadata slot count: (.*)") == "3"
	assert one(r"^Header flags: (.*)") == "virtual_ab_device"
	parts = dict(re.findall(r"^  Name: (product_\w+)\n  Group: (\w+)", text, re.M))
	assert sorted(parts) == ["product_a", "product_b"] and len(set(parts.values())) == 2, parts
	first, last, start = map(int, one(r"^    (\d+) \.\. (\d+) linear super (\d+)"))
	want = open("a/firmware/google/product.img", "rb").read()
	assert (first, (last + 1) * 512) == (0, len(want))
	with open("super.raw", "rb") as f:
	    f.seek(start * 512)
	    assert f.read(len(want)) == want
	size = int(one(r"^Block device table:\n-+\n  Partition name: super\n  First sector: \d+\n  Size: (\d+) bytes"))
	assert size == os.path.getsize("super.raw"), size
	EOL
	"$O"/lptools/lpdump -j super.raw | python3 -c 'import json, sys; print(*sorted(p["name"] for p in json.load(sys.stdin)["partitions"]))' >names
	equal "$(cat names)" 'product_a product_b'
	refuses "$O"/lptools/lpdump wrong.raw
}
t 'super: lpdump prints what was asked for' super_dumped

# MediaTek: the scatter file by PyYAML, and each image where it says.
mtk()
{
	unzip -q -o a/mediatek/acme-mtk-7.zip -d mtk
	python3 - <<-'EOL'
	import os, subprocess, yaml
	general, *parts = yaml.safe_load(open("mtk/MT6765_Android_scatter.txt"))
	info = general["info"][0]
	assert (general["general"], info["config_version"], info["platform"]) == ("MTK_PLATFORM_CFG", "V1.1.2", "MT6765")
	assert (info["project"], info["storage"], info["boot_channel"], info["block_size"]) == ("acme", "EMMC", "MSDC_0", 0x20000)
	assert [p["partition_index"] for p in parts] == [f"SYS{i}" for i in range(len(parts))]
	first, *parts, last = parts
	assert (first["partition_name"], first["operation_type"], first["linear_start_addr"]) == ("pgpt", "INVISIBLE", 0)
	assert (last["partition_name"], last["operation_type"], last["linear_start_addr"]) == ("sgpt", "RESERVED", 0xffff0000)
	assert [p["partition_name"] for p in parts] == "boot_a boot_b vbmeta_a vbmeta_b lk_a lk_b misc personal work".split()
	end = first["partition_size"]
	for p in parts:
	    at, length, name = p["linear_start_addr"], p["partition_size"], p["partition_name"]
	    assert at == p["physical_start_addr"] and at >= end and at % (1 << 20) == length % (1 << 20) == 0, name
	    assert (p["region"], p["storage"]) == ("EMMC_USER", "HW_STORAGE_EMMC"), name
	    end = at + length
	    if name in ("lk_a", "lk_b", "misc"):  # of lk there is no file
	        assert (p["file_name"], p["is_download"], p["operation_type"]) == ("NONE", False, "PROTECTED")
	        continue
	    assert p["is_download"] is True and p["operation_type"] == "UPDATE", name
	    image = os.path.join("mtk", p["file_name"])
	    if p["type"] == "EXT4_IMG":
	        subprocess.run(["simg2img", image, "mtk/raw"], check=True)
	        image = "mtk/raw"
	    got, want = open(image, "rb").read(), open(f"a/part-{name.removesuffix('_a').removesuffix('_b')}.img", "rb").read()
	    assert got[:len(want)] == want and not any(got[len(want):]) and len(got) <= length, name
	EOL
}
t 'MediaTek: the scatter file is sound, and the images are the partitions' mtk

# Updates: applied by Python that shares nothing with the writer, and verified by openssl.
ota()
{
	for f in acme-ota-7.zip acme-ota-7-to-8.zip; do
		unzip -tq a/google/$f
		[ "$(zipinfo -1 a/google/$f | tr '\n' ' ')" = "payload.bin payload_properties.txt META-INF/com/android/otacert META-INF/com/android/metadata META-INF/com/android/metadata.pb " ]
		equal "$(zipinfo a/google/$f | grep -c ' stor ')" 5
	done
	mkdir full new
	python3 "$root/tests/e2e/kit/ota.py" a/google/acme-ota-7.zip 0 - full/
	for part in boot vbmeta; do same full/$part.img $part; done
	cmp -n "$(stat -c %s a/firmware/google/product.img)" full/product.img a/firmware/google/product.img
	python3 "$root/tests/e2e/kit/ota.py" a/google/acme-ota-7-to-8.zip 4 full new/
	for part in boot vbmeta product; do
		cmp -n "$(stat -c %s a/new-$part.img)" new/$part.img a/new-$part.img
	done
	# What moved is copied: only the new blocks travel, and a tail that is no whole block.
	[ "$(stat -c %s a/google/acme-ota-7-to-8.zip)" -lt 65536 ]
}
ota_signatures()
{
	openssl rsa -in oem.pem -pubout -out oem.pub
	openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out other.pub
	for dir in full new; do
		for what in metadata payload; do
			openssl dgst -sha256 -verify oem.pub -signature $dir/$what.sig $dir/$what.tbs
			refuses openssl dgst -sha256 -verify other.pub -signature $dir/$what.sig $dir/$what.tbs
		done
	done
	unzip -p a/google/acme-ota-7.zip META-INF/com/android/otacert >otacert.pem
	openssl verify -CAfile otacert.pem -check_ss_sig otacert.pem
	openssl x509 -in otacert.pem -noout -pubkey | cmp - oem.pub
	python3 - <<-'EOL'
	import struct
	b = open("a/google/acme-ota-7.zip", "rb").read()
	start, magic, comment = struct.unpack("<HHH", b[-6:])
	assert magic == 0xffff
	assert b[-comment - 22:-comment - 18] == b"PK\5\6" and b[-comment - 2:-comment] == struct.pack("<H", comment)
	open("whole.tbs", "wb").write(b[:-comment - 2])
	open("whole.der", "wb").write(b[-start:-6])
	EOL
	openssl cms -verify -inform DER -binary -in whole.der -content whole.tbs -CAfile otacert.pem -purpose any -out /dev/null
	printf x | dd of=whole.tbs bs=1 seek=5000 conv=notrunc status=none
	refuses openssl cms -verify -inform DER -binary -in whole.der -content whole.tbs -CAfile otacert.pem -purpose any -out /dev/null
}
t 'updates: what they make of partitions is right, by Python' ota
t 'updates: openssl verifies metadata, payload and package' ota_signatures

# inspect: what it says agrees with the other readers, and damage is seen. A flipped byte is put where only a digest can tell.
inspects()
{
	"$mvpctl" inspect $odin/AP_acme_7_VZW.tar.md5 | grep -q 'boot.img.lz4'
	equal "$("$mvpctl" inspect --json odin/acme.pit | python3 -c 'import json, sys; print(*(i["name"] for i in json.load(sys.stdin)["items"]))')" \
		'PGPT bootloader radio boot vbmeta personal work SGPT'
	"$mvpctl" inspect a/lg/acme_7_verizon.kdz | grep -q 'version 3.*operator VZW.US.*digests right'
	"$mvpctl" inspect a/google/acme-7.img | grep -q '^  boot_b '
	"$mvpctl" inspect a/mediatek/acme-mtk-7.zip >out
	grep -q 'MediaTek.*MT6765, project acme, EMMC, 11 partitions, 6 of them with a file' out
	grep -q '^  boot_b .*partition, file boot.img' out
	grep -q '^  lk_a .*partition, file -' out
}
inspect_damage()
{
	for f in $odin/AP_acme_7_VZW.tar.md5 a/lg/acme_7_verizon.kdz; do
		cp "$f" broken
		printf '\377' | dd of=broken bs=1 seek=90000 conv=notrunc status=none
		cmp -s "$f" broken && printf '\376' | dd of=broken bs=1 seek=90000 conv=notrunc status=none
		rc=0
		"$mvpctl" inspect broken >out 2>&1 || rc=$?
		cat out
		equal $rc 6
		grep -q MVP0571 out
	done
}
t 'inspect: members, entries and chunks' inspects
t 'inspect: a wrong byte is found by a digest' inspect_damage

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

# `tools: true` puts the guest tools into a persona, and when they were compiled or installed is no part of the build.
unset MVP_DATADIR
own=$(dirname "$(readlink -f "$(command -v mvpctl)")")/share/mvp/guest
python3 -c 'import struct; open("kernel", "wb").write(struct.pack("<IIQQQQQQII", 0x14000010, 0, 0, 4096, 10, 0, 0, 0, 0x644d5241, 0).ljust(4096, b"\0"))'
cat >tools.yaml <<'END'
mvp: 1
name: tools
version: 1
board: qemu-virt
oem: [generic]
keys: {master: keys/master.key}
personas:
  personal:
    memory: 64 MiB
    cpus: 1
    boot: {kernel: "file:kernel", initrd: none}
    tools: true
    system: {layers: [{files: [{path: /etc/motd, content: mine}]}]}
  work:
    memory: 64 MiB
    cpus: 1
    boot: {kernel: "file:kernel", initrd: none}
    system: {layers: [{files: [{path: /etc/motd, content: theirs}]}]}
    encryption: {passcode: {file: keys/passcode, iterations: 1000}}
END
build() { # name, when the tools were made
	mkdir "data-$1"
	for folder in templates manifests vmm; do ln -s "$ROOT/$folder" "data-$1/$folder"; done
	cp -a "$own" "data-$1/guest"
	find "data-$1/guest" -exec touch -h -d "$2" {} +
	MVP_DATADIR=$PWD/data-$1 SOURCE_DATE_EPOCH=2000000000 mvpctl build -q --format disk -o "out-$1" tools.yaml
}
build old 2001-01-01
build new 2022-02-02
cmp out-old/*.img out-new/*.img && echo same
# A change of the tools is another build.
mkdir -p data-new/guest/tools/etc/mvp
echo changed >data-new/guest/tools/etc/mvp/added
MVP_DATADIR=$PWD/data-new SOURCE_DATE_EPOCH=2000000000 mvpctl build -q --format disk -o out-new tools.yaml
cmp -s out-old/*.img out-new/*.img || echo another
# They are in the personal system, as old as the build says: 2000000000.
mvpctl inspect --json out-new/*.img | python3 -c '
import json, sys
personal, = (p for p in json.load(sys.stdin)["partitions"] if p["name"] == "personal")
system, = (p for p in personal["partitions"] if p["name"] == "system")
print("skip=%u count=%u" % (personal["at"] + system["at"], system["size"]))' >place
dd if="$(echo out-new/*.img)" of=system.img bs=64K iflag=skip_bytes,count_bytes $(cat place) status=none
debugfs -R 'stat /usr/bin/mvp-agent' system.img 2>/dev/null | grep -oE 'Mode: *[0-9]*|^ mtime: 0x[0-9a-f]*'
debugfs -R 'ls -p /usr/bin' system.img 2>/dev/null | cut -d/ -f6 | grep mvp | LC_ALL=C sort

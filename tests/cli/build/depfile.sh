# The files of a profile's partitions are inputs like all others, and what may be missing is none while it is. A pipe is none at all.
python3 -c 'import struct; open("kernel", "wb").write(struct.pack("<IIQQQQQQII", 0x14000010, 0, 0, 4096, 10, 0, 0, 0, 0x644d5241, 0).ljust(4096, b"\0"))'
printf firmware >modem.bin
cat >radio.yaml <<'END'
oem: 1
name: radio
bundles: [disk]
partitions:
  - {name: modem, file: modem.bin, size: 1 MiB}
  - {name: sensors, file: sensors.bin, optional: yes, size: 1 MiB}
END
cat >phone.yaml <<'END'
mvp: 1
name: phone
version: 1
board: qemu-virt
oem: [./radio.yaml]
keys: {master: keys/master.key}
personas:
  personal:
    memory: 64 MiB
    cpus: 1
    boot: {kernel: "file:kernel", initrd: none}
    system: {layers: [{files: [{path: /etc/motd, content: mine}]}]}
  work:
    memory: 64 MiB
    cpus: 1
    boot: {kernel: "file:kernel", initrd: none}
    system: {layers: [{files: [{path: /etc/motd, content: theirs}]}]}
    encryption: {passcode: {file: keys/passcode, iterations: 1000}}
END
mvpctl build -q --depfile d phone.yaml 2>/dev/null
grep -oE '(modem|sensors)\.bin:$' d
sleep 0.1 # the next change is seen by its time
printf changed >modem.bin
mvpctl build --dry-run phone.yaml 2>/dev/null | head -1
mvpctl build -q --depfile d phone.yaml 2>/dev/null
grep -ac changed out/*.img
printf new >sensors.bin
mvpctl build -q --depfile d phone.yaml 2>/dev/null
grep -oE '(modem|sensors)\.bin:$' d
rm sensors.bin
mkfifo sensors.bin
rc=0
timeout 20 mvpctl build -q phone.yaml 2>errors || rc=$?
grep -o 'cannot open .*' errors
exit $rc

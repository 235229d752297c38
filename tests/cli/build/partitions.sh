# What does not fit, is not there, or takes another's name is found when the build is planned, each at its line, and nothing is made.
truncate -s 2M modem.bin
: >empty.bin
mkfifo pipe.bin # nobody writes to it: that must not be waited for
cat >tight.yaml <<-'EOL'
oem: 1
name: tight
bundles: [disk]
partitions:
  - {name: boot, content: boot, size: 8 MiB}
  - {name: modem, file: modem.bin, size: 1 MiB}
  - {name: radio, file: radio.bin, size: 1 MiB}
  - {name: dsp, file: empty.bin, size: 1 MiB}
  - {name: radar, file: pipe.bin, size: 1 MiB}
  - {name: sensors, file: sensors.bin, optional: yes}
  - {name: keep, size: 1 MiB}
  - {name: work, size: 1 MiB}
EOL
rc=0
mvpctl build -q --dry-run --oem ./tight.yaml -o out good.yaml || rc=$?
test ! -e out
exit $rc

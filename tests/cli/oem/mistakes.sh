# Every mistake at once, each at its line.
cat >bad.yaml <<-'EOL'
oem: 1
name: bad
bundles: [disk]
partitions:
  - {name: boot, content: boot, size: 1000}
  - {name: boot, file: x, size: 1 MiB}
  - {name: disk, content: work}
  - {name: a b, size: 1 MiB}
  - {name: empty}
  - {name: modem, file: modem.bin, slots: yes}
  - {name: lun, size: 1 MiB, lun: 2}
  - {name: dyn, size: 1 MiB, in: super}
  - {name: both, content: personal, file: x}
EOL
mvpctl oem check bad.yaml

cat >bad.yaml <<-'EOL'
oem: 1
name: bad
bundles: [dsk]
partitions:
  - {name: boot, content: boot, sise: 1 MiB}
EOL
mvpctl oem check bad.yaml

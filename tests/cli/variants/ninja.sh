cp good.yaml "it's \$5.yaml"
mvpctl variants --format ninja --oem google --carrier verizon -o 'a b' "it's \$5.yaml"

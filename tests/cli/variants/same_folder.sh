# Two variants in one folder would be one; a name that is no plain word would end a command in what is printed for shells.
cp "$ROOT/templates/oem/google.yaml" google.yaml
cp "$ROOT/templates/oem/google.yaml" 'a;b.yaml'
mvpctl variants --format slurm --oem google --oem ./google.yaml --oem './a;b.yaml' --carrier verizon good.yaml

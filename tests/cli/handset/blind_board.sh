PATH=$PWD/fake:$PATH
fake/disk.py disk.img
sed -e '/^display:/,/bar:/d' -e 's/, -device, ramfb//' "$ROOT/templates/boards/qemu-virt.yaml" >blind.yaml
mvpctl run --headless --board ./blind.yaml --screenshot a.png disk.img && exit 99
FAKE=off mvpctl run --headless --board ./blind.yaml disk.img
grep -c -e keyboard -e ramfb argv || true

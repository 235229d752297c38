PATH=$PWD/fake:$PATH
fake/disk.py disk.img
printf '%032d' 7 >device.key
FAKE=off mvpctl run --headless --device-key device.key disk.img
grep -o 'name=opt/org.mvp/device-key,file=device.key' argv
printf '%031d' 7 >device.key
mvpctl run --headless --device-key device.key disk.img || echo "status $?"
mvpctl run --headless --device-key none.key disk.img || echo "status $?"

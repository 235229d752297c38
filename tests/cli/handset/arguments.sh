# What QEMU is given: the board's arguments, the disk, and a network unless there is to be none.
PATH=$PWD/fake:$PATH
export FAKE=off
fake/disk.py disk.img
mvpctl run --headless disk.img
cat argv
mvpctl run --headless --net none --disk-snapshot --smp 1 disk.img
cat argv
mvpctl run --headless --net user,hostfwd=tcp::2222-10.0.2.15:22,hostfwd=udp::53-:53 disk.img
grep -o 'netdev [^ ]*' argv

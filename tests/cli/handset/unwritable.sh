# Noticed before anything is started.
PATH=$PWD/fake:$PATH
fake/disk.py disk.img
mvpctl run --headless --screenshot nowhere/a.png disk.img && exit 99 || status=$?
[ ! -e argv ] && echo "QEMU was not started"
exit $status

# QEMU ends before it was asked for a picture: what was there stays.
PATH=$PWD/fake:$PATH
export FAKE=gone
fake/disk.py disk.img
echo old >a.png
mvpctl run --headless --screenshot a.png disk.img && status=0 || status=$?
cat a.png
ls -A | grep tmp || echo "nothing is left over"
exit $status

PATH=$PWD/fake:$PATH
export FAKE=refuse
fake/disk.py disk.img
mvpctl run --headless --timeout 1 --screenshot a.png disk.img

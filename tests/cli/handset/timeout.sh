PATH=$PWD/fake:$PATH
fake/disk.py disk.img
mvpctl run --headless --timeout 1 disk.img

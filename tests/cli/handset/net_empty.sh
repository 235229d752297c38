PATH=$PWD/fake:$PATH
fake/disk.py disk.img
mvpctl run --headless --net user,hostfwd= disk.img

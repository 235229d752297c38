# With a picture wished, the end of --timeout is a good one; the file appears when it is whole, and nothing else does.
PATH=$PWD/fake:$PATH
fake/disk.py disk.img
mkdir pictures
mvpctl run --headless --timeout 1 --screenshot pictures/a.png disk.img
ls -A pictures
head -c 4 pictures/a.png | tail -c 3
echo
grep -o 'chardev socket,id=pictures.*' argv

head -c 100000 /dev/zero >zero.img
code=0
mvpctl inspect zero.img || code=$?
python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 40)' >noise.img
mvpctl inspect noise.img || code=$?
mvpctl inspect rootfs || code=$?
mvpctl inspect nothing || code=$?
exit $code

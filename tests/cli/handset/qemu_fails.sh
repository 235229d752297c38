# A QEMU that refuses its arguments is what failed, whatever was wished of it.
PATH=$PWD/fake:$PATH
fake/disk.py disk.img
printf '#!/bin/sh\necho "no such CPU" >&2\nexit 1\n' >fake/qemu-system-aarch64
mvpctl run --headless --screenshot a.png disk.img

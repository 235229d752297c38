# A window where there is a display and a QEMU that can open one.
PATH=$PWD/fake:$PATH
export FAKE=off
fake/disk.py disk.img
unset DISPLAY WAYLAND_DISPLAY
mvpctl run disk.img
grep -o -e '-display [a-z]*' argv
DISPLAY=:7 mvpctl run disk.img
grep -o -e '-display [a-z]*' argv
DISPLAY=:7 mvpctl run --headless disk.img
grep -o -e '-display [a-z]*' argv
sed -i 's/sdl/curses/' fake/qemu-system-aarch64
DISPLAY=:7 mvpctl run disk.img
grep -o -e '-display [a-z]*' argv

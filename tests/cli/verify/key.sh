# Keys that are none, or the wrong half.
mkdir k
openssl genrsa -out k/oem.pem 2048 2>out
openssl pkey -in k/oem.pem -pubout -out k/oem.pub
head -c 32 good.yaml >k/master.key
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c 1:boot disk.img >/dev/null
mvpctl verify --key k/oem.pub disk.img
code=0
for f in k/oem.pem k/master.key k/none.pub; do mvpctl verify --key "$f" disk.img || code=$?; done
exit $code

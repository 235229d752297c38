code=0
for f in rootfs.tar keys nothing; do mvpctl keys show $f || code=$?; done
printf -- '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' >broken.pem
mvpctl keys show broken.pem || code=$?
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -pass pass:x -out locked.pem 2>/dev/null
mvpctl keys show locked.pem || code=$?
exit $code

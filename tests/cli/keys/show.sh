mvpctl -q keys init mine
for f in oem.pem oem.pub orders.pem orders.pub escrow.key escrow.crt master.key; do mvpctl keys show mine/$f; done
# The same key pair, the same fingerprint.
mvpctl keys show mine/orders.pem | sed -n 's/ *fingerprint *//p' >a
openssl pkey -pubin -in mine/orders.pub -outform DER | sha256sum | cut -d ' ' -f 1 | cmp - a

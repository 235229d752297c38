umask 022
mvpctl keys init mine
stat -c '%a %n' mine mine/*
wc -c <mine/master.key
openssl pkey -in mine/oem.pem -noout -text 2>&1 | head -n 1
openssl pkey -in mine/orders.pem -noout -text 2>&1 | head -n 1
for k in oem enterprise orders; do openssl pkey -in mine/$k.pem -pubout | cmp - mine/$k.pub; done
openssl verify -CAfile mine/escrow.crt mine/escrow.crt
openssl x509 -in mine/escrow.crt -noout -subject -ext keyUsage,basicConstraints
openssl x509 -in mine/escrow.crt -noout -pubkey >a
openssl pkey -in mine/escrow.key -pubout | cmp - a
# What an escrow certificate is for: an envelope that only its key opens.
echo recovery >plain
openssl cms -encrypt -binary -aes256 -in plain -outform DER -out envelope mine/escrow.crt
openssl cms -decrypt -inform DER -in envelope -inkey mine/escrow.key
ls -A mine | wc -l

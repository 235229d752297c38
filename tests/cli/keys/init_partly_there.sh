# One key in the way: no other is made.
mkdir mine
echo precious >mine/escrow.key
code=0
mvpctl keys init mine || code=$?
ls mine
cat mine/escrow.key
exit $code

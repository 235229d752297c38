mvpctl -q keys init mine
sha256sum mine/* >before
code=0
mvpctl keys init mine || code=$?
sha256sum -c --quiet before
exit $code

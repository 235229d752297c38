code=0
for c in MVP9999 banana MVP203 0203x; do mvpctl explain $c || code=$?; done
exit $code

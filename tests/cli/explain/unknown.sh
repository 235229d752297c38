code=0
for c in MVP9999 banana MVP02033 0203x; do mvpctl explain $c || code=$?; done
exit $code

code=0
mvpctl help biuld || code=$?
mvpctl help keys inti || code=$?
exit $code

mvpctl val good.yaml || code=$?
mvpctl validate --js good.yaml || code=$?
exit $code

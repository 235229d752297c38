# An interrupt leaves nothing behind. The first event comes before the first key; several are still to be made then.
mvpctl keys init --json mine >events &
until [ -s events ]; do sleep 0.02; done
kill -TERM $!
code=0
wait $! || code=$?
tail -n 2 events
[ ! -e mine ] && echo nothing left
exit $code

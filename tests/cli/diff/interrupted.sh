# The first signal ends it, with a word.
truncate -s 64G big
mvpctl diff big big &
pid=$!
until readlink /proc/$pid/fd/* | grep -q big; do sleep 0.02; done
kill -TERM $pid
wait $pid

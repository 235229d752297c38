# SIGUSR1 asks for a picture while the handset runs on; an interrupt keeps the last one and both files.
PATH=$PWD/fake:$PATH
fake/disk.py disk.img
mvpctl run --headless --screenshot a.png --record film.png disk.img &
pid=$!
tries=0
until [ -e argv ] && kill -USR1 $pid && [ -e a.png ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || exit 99
	sleep 0.1
done
[ ! -e film.png ] && echo "the film is not there yet"
mv a.png first.png
kill -INT $pid
wait $pid && status=0 || status=$?
echo "status $status"
ls -A first.png a.png film.png

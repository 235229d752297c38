# Of a folder that only one has, what is in it goes without saying; -v and --json list it.
mkdir -p a/same b/same b/new/inner
echo one >a/same/file
echo one >b/same/file
echo two >b/same/other
echo three >b/new/inner/file
for i in a b; do
	find $i -exec touch -h -d @1700000000 {} +
	mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,hash_seed=00000000-0000-4000-8000-000000000000 -U 00000000-0000-4000-8000-000000000000 -d $i $i.img 1M >out
done
mvpctl diff a.img b.img | grep Only
echo '-- all of it'
mvpctl diff -v a.img b.img | grep Only
mvpctl diff --json b.img a.img | grep -c '"removed"'

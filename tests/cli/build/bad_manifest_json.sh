# One event a line, and nothing else on standard output.
sed 's/cpus: 2/cpus: two/' good.yaml >bad.yaml
code=0
mvpctl build --json -o out bad.yaml >events || code=$?
python3 -c 'import json; [json.loads(x) for x in open("events")]'
cat events
[ ! -e out ]
exit $code

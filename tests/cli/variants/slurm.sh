# The job array, run with a stub for each number.
mkdir bin
printf '#!/bin/sh\nprintf "%%s|" "$@"\necho\n' >bin/mvpctl
chmod +x bin/mvpctl
cp good.yaml "it's.yaml"
mvpctl variants --format slurm --oem google --oem lg --carrier verizon --carrier open "it's.yaml" >job.sh
grep array job.sh
for i in 0 1 2 3; do
	PATH="$PWD/bin:$PATH" SLURM_ARRAY_TASK_ID=$i sh job.sh
done
SLURM_ARRAY_TASK_ID=4 sh job.sh 2>&1 || echo "$?"

mvpctl completion bash >script
cat >try.bash <<'X'
. ./script
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _mvpctl; echo "${COMP_WORDS[*]} -> ${COMPREPLY[*]}"; }
try mvpctl v
try mvpctl keys ""
try mvpctl keys i
try mvpctl build --f
try mvpctl build --format ""
try mvpctl variants --format ""
try mvpctl -q build --component ""
try mvpctl -q build --out
try mvpctl validate goo
try mvpctl keys show --js
X
bash try.bash

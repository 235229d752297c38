# What a hostile manifest holds never reaches the terminal as it is.
printf 'mvp: 1\nname: "\\e[31mred"\n"\\e[2J": 1\n' >esc.yaml
mvpctl validate esc.yaml 2>err || code=$?
grep -c "$(printf '\033')" err || true
exit $code

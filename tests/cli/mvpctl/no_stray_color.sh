# Colours are for terminals only; NO_COLOR turns them off there, too.
sed 's/^name:/nmae:/' good.yaml >bad.yaml
escapes() { printf '%s: ' "$1"; grep -c "$(printf '\033')\[1;31m" "$2" || true; }
mvpctl validate bad.yaml 2>plain || true
escapes pipe plain
TERM=xterm script -qec 'mvpctl validate bad.yaml' /dev/null >tty || true
escapes terminal tty
TERM=xterm NO_COLOR=1 script -qec 'mvpctl validate bad.yaml' /dev/null >tty || true
escapes NO_COLOR tty
TERM=dumb script -qec 'mvpctl validate bad.yaml' /dev/null >tty || true
escapes dumb tty

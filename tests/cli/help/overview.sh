mvpctl help >a
mvpctl --help | cmp - a
mvpctl -h | cmp - a
cat a

mvpctl help build >a
mvpctl build --help | cmp - a
mvpctl build -h nonsense more nonsense | cmp - a
cat a

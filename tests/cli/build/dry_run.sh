# Says what would be made, and makes nothing.
mvpctl build -q --dry-run -o out good.yaml
test ! -e out && echo "no folder was made"
find . -name '.mvp-tmp*'

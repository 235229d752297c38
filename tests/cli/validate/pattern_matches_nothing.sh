sed 's/linux-image-/linux-imgae-/' good.yaml >pattern_matches_nothing.yaml
cmp -s good.yaml pattern_matches_nothing.yaml && exit 99
mvpctl validate pattern_matches_nothing.yaml

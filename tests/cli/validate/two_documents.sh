sed '$s/$/\n---\nmvp: 1/' good.yaml >two_documents.yaml
cmp -s good.yaml two_documents.yaml && exit 99
mvpctl validate two_documents.yaml

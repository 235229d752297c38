# Relative paths start from the manifest's folder; -C comes first of all.
mkdir elsewhere
cd elsewhere
mvpctl validate ../good.yaml
mvpctl -C .. validate good.yaml
mvpctl validate --directory=nothing good.yaml

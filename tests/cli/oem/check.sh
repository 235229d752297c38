for f in "$ROOT"/templates/oem/*.yaml; do
	mvpctl oem check "$f" >/dev/null || echo "$f"
done

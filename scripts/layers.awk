# Who may include whom. order: the folders of imagegen, lowest first.
BEGIN {
	n = split(order, list, " ")
	for (i = 1; i <= n; i++)
		rank[list[i]] = i
}
FNR == 1 {
	split(FILENAME, at, "/")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	name = quoted[2]
	split(name, to, "/")
	if (at[1] == "tests")
		next
	if (to[1] == "cli" && at[1] != "cli")
		wrong("only cli includes cli")
	if (to[1] == "imagegen" && at[1] == "vmm")
		wrong("vmm includes nothing of imagegen")
	if (to[1] == "vmm" && at[1] != "vmm")
		wrong("of vmm, only vmm/include/mvp is for others")
	if (at[1] == "imagegen" && to[1] == "imagegen") {
		if (!(at[2] in rank))
			wrong("'" at[2] "' is not listed in imagegen/files.mk")
		if (!(to[2] in rank))
			wrong("'" to[2] "' is not listed in imagegen/files.mk")
		if (rank[to[2]] > rank[at[2]])
			wrong("'" at[2] "' lies below '" to[2] "'")
	}
	if (at[1] == "vmm" && (at[2] == "core" || at[2] == "vault" || at[2] == "guest")) {
		other = to[1] == "vmm" ? to[2] : to[1]
		if ((other == "core" || other == "vault" || other == "guest") && other != at[2])
			wrong("core, vault and guest share only vmm/include")
	}
	if (at[1] == "vmm" && at[2] == "include" && to[1] != "mvp")
		wrong("vmm/include stands alone")
}
function wrong(why) {
	print FILENAME ":" FNR ": includes \"" name "\": " why
	bad = 1
}
END {
	exit bad
}

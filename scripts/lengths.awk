# Files of at most 800 lines, functions of at most 80 (clang-format puts a function's braces in column 1), lines of at most 140 columns.
FNR == 1 {
	end_file()
	file = FILENAME
	start = 0
}
{
	lines = FNR
	text = $0
	gsub(/\t/, "        ", text)
	if (length(text) > 140)
		wrong(FNR, "line of " length(text) " columns")
}
/^\{/ {
	start = FNR
}
/^\}/ {
	if (start && FNR - start - 1 > 80)
		wrong(start, "function of " FNR - start - 1 " lines")
	start = 0
}
function wrong(line, what) {
	print file ":" line ": " what
	bad = 1
}
function end_file() {
	if (lines > 800)
		wrong(lines, "file of " lines " lines")
}
END {
	end_file()
	exit bad
}

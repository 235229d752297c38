# Folders of libimagegen, in dependency order (each may include only those before it and vmm/include/mvp).
IMAGEGEN_DIRS ?= base hash cache manifest layer fs initrd crypt sign cose order gpt bootimg avb keys device sparse lp inspect ledger issue provision android \
	zip png hyp oem bundle verify diff graph

# Folders of libimagegen, in dependency order (each may include only those before it and vmm/include/mvp).
IMAGEGEN_DIRS ?= base cache manifest layer fs initrd crypt sign keys gpt bootimg inspect sparse lp android zip png hyp oem bundle graph

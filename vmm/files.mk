# What make itself compiles of vmm/: the persona's first process. Core and vault are compiled by mvpctl build, for the board;
# their sources and flags are lists that both read: vmm/core.sources, vmm/vault.sources, vmm/cflags.
GUEST_FILES :=

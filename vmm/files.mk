# What make itself compiles of vmm/: the persona's first process. Core and vault are compiled by mvpctl build, for the board;
# their sources and flags are lists that both read: vmm/core.sources, vmm/vault.sources, vmm/cflags.
GUEST_FILES := $(O)/share/mvp/guest/init

GUEST_CFLAGS := -std=gnu17 -Os -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-pie -march=armv8-a -mgeneral-regs-only -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -mno-outline-atomics $(WARN) \
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-s

$(O)/share/mvp/guest/%: vmm/guest/%.c vmm/files.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(GUEST_CFLAGS) -o $@ $<

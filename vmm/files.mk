# What make itself compiles of vmm/: the persona's first process, and the guest tools (the agent). Core and vault are compiled by mvpctl build, for the board;
# their sources and flags are lists that both read: vmm/core.sources, vmm/vault.sources, vmm/cflags.
GUEST_TOOLS := $(O)/share/mvp/guest/tools/usr/bin/mvp-agent
GUEST_FILES := $(O)/share/mvp/guest/init $(GUEST_TOOLS)

GUEST_CFLAGS := -std=gnu17 -Os -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-pie -march=armv8-a -mgeneral-regs-only -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -mno-outline-atomics $(WARN) \
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-s

$(O)/share/mvp/guest/%: vmm/guest/%.c vmm/files.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(GUEST_CFLAGS) -o $@ $<

# The agent is static, so that it runs in a persona with any C library or none. ld warns of getaddrinfo in static programs: http.c says how
# it is used.
AGENT_SRC := $(wildcard vmm/guest/agent/*.c)
AGENT_CFLAGS := -std=c17 -D_GNU_SOURCE -Os -march=armv8-a -static -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections \
	$(WARN) -Ivmm/include -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,relro -Wl,-s -Wl,--no-warnings

$(O)/share/mvp/guest/tools/usr/bin/mvp-agent: $(AGENT_SRC) $(wildcard vmm/guest/agent/*.h vmm/include/mvp/*.h) vmm/files.mk | $(O)/deps/build
	@mkdir -p $(@D)
	$(CROSS)gcc $(AGENT_CFLAGS) -o $@ $(AGENT_SRC)

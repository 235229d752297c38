# What make itself compiles of vmm/: the persona's first process, and the guest tools (the agent). Core and vault are compiled by mvpctl
# build, for the board; their sources and flags are lists that both read: vmm/core.sources, vmm/vault.sources, vmm/cflags.

# What `tools: true` puts into a persona: the files of vmm/guest/tools, the programs, and what starts them.
TOOLS_DIR := $(O)/share/mvp/guest/tools
TOOLS_FILES := $(patsubst vmm/guest/tools/%,$(TOOLS_DIR)/%,$(shell find vmm/guest/tools -type f))
TOOLS_LINKS := $(addprefix $(TOOLS_DIR)/,usr/bin/mvp-notify etc/rc2.d/S20mvp-agent etc/systemd/system/multi-user.target.wants/mvp-agent.service)
GUEST_TOOLS := $(TOOLS_DIR)/usr/bin/mvp-agent $(TOOLS_DIR)/usr/lib/mvp/mvp-https $(TOOLS_FILES) $(TOOLS_LINKS)
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

$(TOOLS_DIR)/usr/bin/mvp-agent: $(AGENT_SRC) $(wildcard vmm/guest/agent/*.h vmm/include/mvp/*.h) vmm/files.mk | $(O)/deps/build
	@mkdir -p $(@D)
	$(CROSS)gcc $(AGENT_CFLAGS) -o $@ $(AGENT_SRC)

# Dynamic, as it loads the persona's libcurl. The agent starts it for https:// and not before.
HTTPS_CFLAGS := -std=c17 -D_GNU_SOURCE -Os -march=armv8-a -pie -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 $(WARN) -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now -Wl,-s

$(TOOLS_DIR)/usr/lib/mvp/mvp-https: vmm/guest/https/https.c vmm/files.mk | $(O)/deps/build
	@mkdir -p $(@D)
	$(CROSS)gcc $(HTTPS_CFLAGS) -o $@ $<

$(TOOLS_FILES): $(TOOLS_DIR)/%: vmm/guest/tools/%
	@mkdir -p $(@D)
	install -m $(if $(findstring /init.d/,$@),755,644) $< $@

$(TOOLS_LINKS):
	@mkdir -p $(@D)
	ln -sfn $(tools_link) $@
$(TOOLS_DIR)/usr/bin/mvp-notify: tools_link := mvp-agent
$(TOOLS_DIR)/etc/rc2.d/S20mvp-agent: tools_link := ../init.d/mvp-agent
$(TOOLS_DIR)/etc/systemd/system/multi-user.target.wants/mvp-agent.service: tools_link := ../../../../usr/lib/systemd/system/mvp-agent.service

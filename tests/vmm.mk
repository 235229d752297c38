# The vault's AES and SHA-256 code is arm64 instructions: its test is built for that, static, and runs under qemu-aarch64 (qemu-user).
VAULT_CE_SRC := vmm/vault/aes_ce.c vmm/vault/sha256_ce.c vmm/vault/sha256.c
$(O)/unit/test_vault_ce.arm64: tests/unit/test_vault_ce.c $(VAULT_CE_SRC) $(wildcard vmm/vault/*.h) | $(O)/deps/test
	@mkdir -p $(@D)
	$(CROSS)gcc -std=gnu17 $(WARN) -O2 -static -march=armv8-a+crypto -DMVP_HOST -I. -Ivmm/include -o $@ $(filter %.c,$^)

$(O)/unit/test_vault_ce: $(O)/unit/test_vault_ce.arm64
	@printf '#!/bin/sh\nexec qemu-aarch64 -cpu cortex-a53 "$$0.arm64"\n' > $@ && chmod +x $@

# What of a secret shows in the time of the vault's arithmetic: memcheck's to say, which no sanitizer may share the program with. Optimized
# as the vault is.
$(O)/unit/test_vault_ct.bin: tests/unit/test_vault_ct.c tests/unit/vault_host.h $(wildcard vmm/vault/*.[ch]) | $(O)/deps/test
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -Os -g -I. -Ivmm/include -o $@ $< -lcmocka -lcrypto

$(O)/unit/test_vault_ct: $(O)/unit/test_vault_ct.bin
	@printf '#!/bin/sh\nexec valgrind -q "$$0.bin"\n' > $@ && chmod +x $@

# The core on the fake machine of tests/fake: its files as they are, with the fake header in front, for whatever test includes that machine.
# mmu.c and the assembler are about a real address space.
HOST_CORE_SRC := $(filter-out vmm/core/mmu.c vmm/core/pt.c vmm/core/string.c,$(wildcard vmm/core/*.c))
HOST_CORE_OBJ := $(HOST_CORE_SRC:vmm/core/%.c=$(O)/obj/host_core/%.o) $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/fake/*.c))
$(O)/obj/host_core/%.o: vmm/core/%.c tests/fake/arch.h $(FLAGS_STAMP) | $(O)/deps/build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -include tests/fake/arch.h -MMD -MP -c -o $@ $<

# The machine below the core runs at full speed: a fuzzer is to look for new ways through the core, not through it.
ifeq ($(SAN),1)
$(O)/obj/tests/fake/%.o: ALL_CFLAGS := $(filter-out -fsanitize=% -fno-sanitize%,$(ALL_CFLAGS))
endif

$(O)/libhostcore.a: $(HOST_CORE_OBJ)
	@rm -f $@
	ar rcsD $@ $^

HOST_CORE_TESTS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(shell grep -lE "tests/fake/|fixture_gic" tests/unit/test_core_*.c))
$(HOST_CORE_TESTS): $(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/libhostcore.a | $(O)/deps/test
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libhostcore.a -lcmocka

$(O)/fuzz/fuzz_core_trap: $(O)/obj/tests/fuzz/fuzz_core_trap.o $(O)/libhostcore.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(O)/libhostcore.a

-include $(HOST_CORE_OBJ:.o=.d)

# The same for a number of events instead of a time; the number reached is the last line of its log.
CORE_EVENTS ?= 100000000
.PHONY: core-events
core-events: $(O)/deps/test
	+@$(MAKE) --no-print-directory O=$(O)/asan SAN=1 $(O)/asan/fuzz/fuzz_core_trap
	@mkdir -p $(O)/asan/corpus/core_trap $(O)/asan/crashes
	@MVP_EVENTS=$(CORE_EVENTS) $(O)/asan/fuzz/fuzz_core_trap -max_len=12000 -len_control=0 -rss_limit_mb=2048 -timeout=20 \
		-artifact_prefix=$(O)/asan/crashes/core_trap- $(O)/asan/corpus/core_trap tests/fuzz/seeds/core_trap \
		> $(O)/asan/core_events.log 2>&1 || { tail -n 60 $(O)/asan/core_events.log; exit 1; }
	@grep '^core_trap: ' $(O)/asan/core_events.log

soak: core-events

# The vault's queues under hostile drivers, each target for a number of ring operations.
RING_OPS ?= 10000000
RING_FUZZ := vault_ring vault_input vault_net vault_vconsole
RING_FUZZED := $(RING_FUZZ:%=fuzzed-%)
.PHONY: vault-rings $(RING_FUZZED)
vault-rings: $(RING_FUZZED)
$(RING_FUZZED): fuzzed-%: $(O)/deps/test
	+@$(MAKE) --no-print-directory O=$(O)/asan SAN=1 $(O)/asan/fuzz/fuzz_$*
	@mkdir -p $(O)/asan/corpus/$* $(O)/asan/crashes
	@MVP_RING_OPS=$(RING_OPS) $(O)/asan/fuzz/fuzz_$* -max_len=6000 -len_control=0 -rss_limit_mb=2048 -timeout=20 \
		-artifact_prefix=$(O)/asan/crashes/$*- $(O)/asan/corpus/$* tests/fuzz/seeds/$* \
		> $(O)/asan/$*.log 2>&1 || { tail -n 60 $(O)/asan/$*.log; exit 1; }
	@grep '^$*: ' $(O)/asan/$*.log

soak: vault-rings

.PHONY: sched-soak
sched-soak: all demo-manifest
	@MVP_STARVE_S=90 O=$(abspath $(O)) python3 tests/e2e/run.py sched.starved

soak: sched-soak

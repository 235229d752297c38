# Unit tests: tests/unit/test_<module>.c, each one program linked with libimagegen and cmocka.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)

$(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/libimagegen.a | $(O)/deps/test
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libimagegen.a $(LIBS) -lcmocka

# Fuzz targets: tests/fuzz/fuzz_<module>.c; seeds in tests/fuzz/seeds/<module>/ where there are any.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/fuzz/%)

$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(O)/libimagegen.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(O)/libimagegen.a $(LIBS)

# Programs that scripts in tests/e2e run.
E2E_BIN := $(patsubst tests/e2e/%.c,$(O)/e2e/%,$(wildcard tests/e2e/*.c))
$(O)/e2e/%: $(O)/obj/tests/e2e/%.o $(O)/libimagegen.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libimagegen.a $(LIBS)

# Logic of core and vault, compiled for the host: appends to UNIT_BIN and FUZZ_BIN.
-include tests/vmm.mk

-include $(patsubst %.c,$(O)/obj/%.d,$(UNIT_SRC) $(FUZZ_SRC) $(wildcard tests/e2e/*.c))

# Every suite ends in a line `N passed, M failed` and fails if anything did; check runs them all, whatever fails, and adds up.
# T=word runs only what has the word in its name: make unit T=luks2, make e2e T=first_light
T ?=
# Those of the first line run beside the first of the second, at a low priority: they look at no clock.
BESIDE := lint unit
SUITES := e2e cli fuzz

.PHONY: check $(BESIDE) $(SUITES) soak
check: $(O)/deps/build $(O)/deps/run $(O)/deps/test
	+@scripts/check $(MAKE) O=$(O) -- $(BESIDE) -- $(SUITES)

# Of these programs only those that it runs are built.
chosen = $(if $(T),$(foreach p,$(1),$(if $(findstring $(T),$(notdir $(p))),$(p))),$(1))

.PHONY: format
C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format: $(O)/deps/test
	clang-format -i $(C_FILES)

lint: $(O)/deps/build $(O)/deps/test
	@O=$(O) CROSS=$(CROSS) IMAGEGEN_DIRS='$(IMAGEGEN_DIRS)' scripts/lint '$(T)'

# Unit tests run under the sanitizers.
.PHONY: unit-build unit-run
unit: $(O)/deps/test
	+@$(MAKE) --no-print-directory O=$(O)/asan SAN=1 unit-run
unit-build: $(call chosen,$(UNIT_BIN))
unit-run: unit-build
	@scripts/unit '$(T)' $(UNIT_BIN)

# The commands, as a user types them, by the program built with sanitizers.
.PHONY: cli-run
cli: $(O)/deps/test
	+@$(MAKE) --no-print-directory O=$(O)/asan SAN=1 cli-run
cli-run: all
	@MVPCTL=$(abspath $(O)/mvpctl) O=$(abspath $(O)) tests/cli/run '$(T)'

# Seconds for each fuzz target: a smoke run in check, a long one in soak.
FUZZ_SECONDS ?= 4
.PHONY: fuzz-build fuzz-run
fuzz: $(O)/deps/test
	+@$(MAKE) --no-print-directory O=$(O)/asan SAN=1 fuzz-run
fuzz-build: $(call chosen,$(FUZZ_BIN))
fuzz-run: fuzz-build
	@O=$(O) scripts/fuzz $(FUZZ_SECONDS) '$(T)' $(FUZZ_BIN)

# The bootloader of the tests; made once.
$(O)/uboot/u-boot.bin: scripts/uboot scripts/debian-source | $(O)/deps/test
	scripts/uboot $(@D) $(CROSS)

# The tool that verifies signed images in them; fetched once.
$(O)/avbtool/avbtool.py: scripts/avbtool scripts/debian-source | $(O)/deps/test
	scripts/avbtool $(@D)

# The tools that take super partitions apart and print what they hold; built once, of what the same source package has.
$(O)/lptools/lpdump: scripts/lptools scripts/debian-source | $(O)/deps/test
	scripts/lptools $(@D)

include tests/bench.mk

# The whole product with foreign tools and QEMU.
e2e: all demo-manifest $(E2E_BIN) $(BENCH_BIN) $(O)/uboot/u-boot.bin $(O)/avbtool/avbtool.py $(O)/lptools/lpdump $(O)/deps/run \
		$(O)/deps/test
	@O=$(abspath $(O)) python3 tests/e2e/run.py $(T)

# The alerts with a notification daemon on the screen: a Debian with X and dunst as the personal side.
$(O)/inputs-desktop/complete: tests/e2e/desktop.list scripts/inputs
	INPUTS_LIST=tests/e2e/desktop.list scripts/inputs $(@D)
	@touch $@
.PHONY: desktop
desktop: all demo-manifest $(O)/inputs-desktop/complete $(O)/deps/run $(O)/deps/test
	@tests/e2e/desktop.py $(O)

# The matrix of variants on a Slurm cluster of one node, beside the same without it. As root.
.PHONY: slurm
slurm: all $(O)/deps/run $(O)/deps/test
	@tests/e2e/slurm.py $(O)

SOAK_SECONDS ?= 1800
# Alerts each way of the storm.
STORM_ALERTS ?= 5000
# What the hostile personas count before they have had enough.
SOAK_EXITS ?= 100000000
# Both personas under load: ten minutes, and an hour.
LOAD_SECONDS ?= 600 3600
# Random power cuts of each kind, besides one at each write and flush.
SOAK_CUTS ?= 1000
soak: $(O)/deps/test
	+@ANALYZER_NODES=225000 $(MAKE) --no-print-directory lint T=clang-tidy
	+@for s in $(LOAD_SECONDS); do MVP_LOAD_S=$$s $(MAKE) --no-print-directory e2e T=load.load || exit 1; done
	+@MVP_STORM=$(STORM_ALERTS) $(MAKE) --no-print-directory e2e T=alerts_storm
	+@$(MAKE) --no-print-directory desktop
	+@$(MAKE) --no-print-directory slurm
	+@MVP_SOAK=$(SOAK_EXITS) $(MAKE) --no-print-directory e2e T=adversary
	+@MVP_CUTS=$(SOAK_CUTS) $(MAKE) --no-print-directory e2e T=power_cuts
	+@FUZZ_SEED=0 $(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$(SOAK_SECONDS)

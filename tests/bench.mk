# Programs that benchmarks and end-to-end tests run.
BENCH_BIN := $(patsubst tests/bench/%.c,$(O)/bench/%,$(wildcard tests/bench/*.c))
$(O)/bench/%: $(O)/obj/tests/bench/%.o $(O)/libimagegen.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libimagegen.a $(LIBS)
-include $(patsubst %.c,$(O)/obj/%.d,$(wildcard tests/bench/*.c))

# What the hypervisor costs, beside bare QEMU, Xen and KVM, in instructions: tables on standard output, and as Markdown in FILE with
# make bench MARKDOWN=FILE. T=word: only the benchmarks with the word in their name. Takes some twenty minutes.
MARKDOWN ?=
.PHONY: bench
bench: all demo-manifest $(BENCH_BIN) $(O)/bench/inputs/complete $(O)/deps/run $(O)/deps/test
	@O=$(abspath $(O)) python3 tests/bench/run.py $(if $(MARKDOWN),--markdown '$(MARKDOWN)') $(T)

# A build beside the usual tools. PLACES: folders on the file systems to measure. LARGE=1: of a root file system of 1 GiB.
PLACES ?= /dev/shm $(O)
ROUNDS ?= 3
.PHONY: bench-pipeline
bench-pipeline: all $(O)/deps/test
	@O=$(abspath $(O)) python3 tests/bench/pipeline.py $(if $(LARGE),--large) --rounds $(ROUNDS) $(if $(MARKDOWN),--markdown '$(MARKDOWN)') $(PLACES)

# Peak memory and time of builds of growing images, on the last of PLACES: SIZES GiB of room there.
SIZES ?= 1 4 16
.PHONY: bench-sizes
bench-sizes: all $(O)/deps/test
	@O=$(abspath $(O)) python3 tests/bench/pipeline.py --sizes $(SIZES) -- $(PLACES)

$(O)/bench/inputs/complete: tests/bench/inputs.list scripts/inputs
	INPUTS_LIST=tests/bench/inputs.list scripts/inputs $(@D)
	@touch $@

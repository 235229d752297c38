# What the hypervisor costs, beside bare QEMU, Xen and KVM, in instructions: tables on standard output, and as Markdown in FILE with
# make bench MARKDOWN=FILE. T=word: only the benchmarks with the word in their name. Takes some ten minutes.
MARKDOWN ?=
.PHONY: bench
bench: all demo-manifest $(O)/deps/run $(O)/deps/test
	@O=$(abspath $(O)) python3 tests/bench/run.py $(if $(MARKDOWN),--markdown '$(MARKDOWN)') $(T)

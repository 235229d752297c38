# mvpctl: `make` builds, `make check` tests, `make demo` builds and boots the example handset, `make deps` installs what they need.
# Everything made lands below $(O); one makefile, no recursion into folders. Lists of folders are in */files.mk; a new .c file in a listed
# folder is picked up. A build with other flags is the same makefile with another O: see SAN.

O ?= build
prefix ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

MAKEFLAGS += -rR
.DELETE_ON_ERROR:
.SUFFIXES:
# Objects of tests are kept, like all others.
.SECONDARY:
.DEFAULT_GOAL := all

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CROSS ?= aarch64-linux-gnu-

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fvisibility=hidden -fstack-protector-strong -pthread -I. -Ivmm/include \
	-DMVP_VERSION='"$(VERSION)"' -DMVP_DATADIR='"$(prefix)/share/mvp"'

# SAN=1: by clang, with AddressSanitizer, UBSan and libFuzzer's coverage; keep it in its own folder: make O=build/asan SAN=1
SAN ?= 0
ifeq ($(SAN),1)
CC := clang
# -O1: the tests are compiled more often than they run long.
ALL_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
# There are many tests to link, and it takes half of the time that binutils' linker takes.
LDFLAGS += -fuse-ld=lld
endif

LIBS := -larchive -lyaml -lcrypto -lext2fs -lcom_err -lfdt -ljansson -lisal -lsqlite3 -llz4 -llzma -lxxhash -lpthread

include imagegen/files.mk cli/files.mk vmm/files.mk tests/files.mk

IMAGEGEN_SRC := $(foreach d,$(IMAGEGEN_DIRS),$(wildcard imagegen/$(d)/*.c))
CLI_SRC := $(wildcard cli/*.c)
IMAGEGEN_OBJ := $(IMAGEGEN_SRC:%.c=$(O)/obj/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(O)/obj/%.o)

# The program finds what it reads beside itself: the source tree's folders, and what was compiled for the personas.
DATA_DIRS := templates manifests vmm
DATA_LINKS := $(DATA_DIRS:%=$(O)/share/mvp/%)

.PHONY: all
all: $(O)/mvpctl $(GUEST_FILES) $(DATA_LINKS)

# Objects depend on the flags they were made with.
FLAGS_STAMP := $(O)/obj/flags
$(FLAGS_STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@
.PHONY: FORCE
FORCE:

$(O)/obj/%.o: %.c $(FLAGS_STAMP) | $(O)/deps/build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libimagegen.a: $(IMAGEGEN_OBJ)
	@rm -f $@
	ar rcsD $@ $^

$(O)/mvpctl: $(CLI_OBJ) $(O)/libimagegen.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJ) $(O)/libimagegen.a $(LIBS)

$(GUEST_FILES): | $(O)/deps/build

$(DATA_LINKS): $(O)/share/mvp/%:
	@mkdir -p $(@D)
	ln -sfn $(CURDIR)/$* $@

-include $(patsubst %.o,%.d,$(IMAGEGEN_OBJ) $(CLI_OBJ))

# What the machine must have: scripts/packages. Whatever needs something missing installs it (as root) or says what to type.
.PHONY: deps
deps:
	scripts/deps install build run test

$(O)/deps/%: scripts/packages
	@mkdir -p $(@D)
	@scripts/deps ensure $*
	@touch $@

# Debian packages that the demo personas and the tests are made of, fetched by apt.
.PHONY: inputs
inputs: $(O)/inputs/complete
$(O)/inputs/complete: manifests/inputs.list scripts/inputs
	scripts/inputs $(@D)
	@touch $@

# The example handset, from nothing to both consoles: interactive on a terminal, else a short scripted session.
.PHONY: demo demo-manifest
demo: all demo-manifest $(O)/deps/run $(O)/deps/test
	@scripts/demo $(O)

# A folder like the one a user of manifests/demo.yaml would make: the manifest, its inputs, personas and keys.
demo-manifest: all $(O)/inputs/complete
	@scripts/demo-folder $(O)

# Completion scripts come from the program's own tables.
COMPLETIONS := $(foreach s,bash zsh fish,$(O)/completion/mvpctl.$(s))
$(COMPLETIONS): $(O)/completion/mvpctl.%: $(O)/mvpctl
	@mkdir -p $(@D)
	$(O)/mvpctl completion $* > $@

.PHONY: install uninstall
dest = $(DESTDIR)$(prefix)
install: all $(COMPLETIONS)
	scripts/install add $(O) '$(dest)' $(DATA_DIRS)

uninstall: $(COMPLETIONS)
	scripts/install remove $(O) '$(dest)' $(DATA_DIRS)

.PHONY: clean
clean:
	rm -rf $(O)

# mvpctl: `make` builds, `make check` tests, `make demo` builds and boots the example handset, `make deps` installs what they need.
# Everything made lands below $(O); nothing recursive. Lists of folders are in */files.mk; a new .c file in a listed folder is picked up.

O ?= build
prefix ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

MAKEFLAGS += -rR
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CROSS ?= aarch64-linux-gnu-
PKG_CONFIG ?= pkg-config

# SAN=1: AddressSanitizer and UBSan; keep it in its own folder: make O=build/asan SAN=1
SAN ?= 0
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fvisibility=hidden -fstack-protector-strong -pthread -I. -Ivmm/include \
	-DMVP_VERSION='"$(VERSION)"' -DMVP_DATADIR='"$(prefix)/share/mvp"'
ifeq ($(SAN),1)
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

PKGS := libarchive yaml-0.1 libcrypto ext2fs com_err libfdt jansson libisal
LIBS := -larchive -lyaml -lcrypto -lext2fs -lcom_err -lfdt -ljansson -lisal -lpthread

include imagegen/files.mk cli/files.mk vmm/files.mk tests/files.mk

IMAGEGEN_SRC := $(foreach d,$(IMAGEGEN_DIRS),$(wildcard imagegen/$(d)/*.c))
CLI_SRC := $(wildcard cli/*.c)
IMAGEGEN_OBJ := $(IMAGEGEN_SRC:%.c=$(O)/obj/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(O)/obj/%.o)

.PHONY: all
all: $(O)/mvpctl $(GUEST_FILES)

# Objects depend on the flags they were made with.
FLAGS_STAMP := $(O)/obj/flags
$(FLAGS_STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@
.PHONY: FORCE
FORCE:

$(O)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libimagegen.a: $(IMAGEGEN_OBJ)
	@rm -f $@
	ar rcsD $@ $^

$(O)/mvpctl: $(CLI_OBJ) $(O)/libimagegen.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJ) $(O)/libimagegen.a $(LIBS)

-include $(patsubst %.o,%.d,$(IMAGEGEN_OBJ) $(CLI_OBJ))

.PHONY: clean
clean:
	rm -rf $(O)

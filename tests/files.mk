# Unit tests: tests/unit/test_<module>.c, each one program linked with libimagegen and cmocka.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)

$(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/libimagegen.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libimagegen.a $(LIBS) -lcmocka

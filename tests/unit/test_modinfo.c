#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "imagegen/base/mem.h"
#include "imagegen/initrd/modinfo.h"
#include "tests/unit/fixture_module.h"

static const char info[] = "license=GPL\0alias=a\0depends=jbd2,crc16\0alias=b\0aliasx=c";

static void test_values_are_found_in_order(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct modinfo m;
	uint16_t machine;
	module_make(&b, info, sizeof info);
	assert_int_equal(modinfo_parse(b.data, b.len, &m, &machine), MODINFO_OK);
	assert_int_equal(machine, 183);
	const char *v = modinfo_next(&m, "alias", NULL);
	assert_string_equal(v, "a");
	v = modinfo_next(&m, "alias", v);
	assert_string_equal(v, "b");
	assert_null(modinfo_next(&m, "alias", v));
	assert_string_equal(modinfo_next(&m, "depends", NULL), "jbd2,crc16");
	assert_null(modinfo_next(&m, "softdep", NULL));
}

/* Every file cut short is refused and nothing beyond its end is read (the sanitizers watch: each copy has its exact length). */
static void test_files_cut_short_are_refused(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	module_make(&b, info, sizeof info);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct modinfo m;
		uint16_t machine;
		memcpy(copy, b.data, len);
		enum modinfo_result r = modinfo_parse(copy, len, &m, &machine);
		free(copy);
		assert_int_not_equal(r, MODINFO_OK);
	}
}

static void test_damaged_headers_are_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at; /* in the ELF header */
		uint64_t value;
		size_t len;
		enum modinfo_result result;
	} cases[] = {
		{ 0, 0, 1, MODINFO_NO_ELF },
		{ 4, 1, 1, MODINFO_NO_ELF }, /* ELF32 */
		{ 5, 2, 1, MODINFO_NO_ELF }, /* big endian */
		{ 40, UINT64_MAX, 8, MODINFO_DAMAGED },
		{ 40, UINT64_MAX - 63, 8, MODINFO_DAMAGED },
		{ 58, 40, 2, MODINFO_DAMAGED },
		{ 60, 0, 2, MODINFO_DAMAGED },
		{ 62, 3, 2, MODINFO_DAMAGED },
		{ 62, 0xffff, 2, MODINFO_DAMAGED },
		{ 60, 4, 2, MODINFO_DAMAGED },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b CLEANUP(buf_fini) = BUF_INIT;
		struct modinfo m;
		uint16_t machine;
		/* Without a .modinfo to be found first, all sections are looked at. */
		module_make(&b, "x=y", cases[i].at == 60 && cases[i].value == 4 ? 3 : 4);
		for (size_t k = 0; k < cases[i].len; k++)
			b.data[cases[i].at + k] = (uint8_t)(cases[i].value >> 8 * k);
		assert_int_equal(modinfo_parse(b.data, b.len, &m, &machine), cases[i].result);
	}
}

static void test_a_last_string_without_end_is_refused(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct modinfo m;
	uint16_t machine;
	module_make(&b, "depends=x", 9);
	assert_int_equal(modinfo_parse(b.data, b.len, &m, &machine), MODINFO_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_found_in_order),
		cmocka_unit_test(test_files_cut_short_are_refused),
		cmocka_unit_test(test_damaged_headers_are_refused),
		cmocka_unit_test(test_a_last_string_without_end_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/manifest/value.h"

#define UNTOUCHED 77u

struct row {
	const char *text;
	enum value_error error;
	uint64_t v;
};

static void run_rows(enum value_error (*parse)(const char *, uint64_t *), const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t v = UNTOUCHED;
		enum value_error e = parse(rows[i].text, &v);
		if (e != rows[i].error)
			print_error("'%s'\n", rows[i].text);
		assert_int_equal(e, rows[i].error);
		assert_true(v == (e == VALUE_OK ? rows[i].v : UNTOUCHED));
	}
}

static void test_sizes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "512 MiB", VALUE_OK, 512 * MIB },
		{ "512MiB", VALUE_OK, 512 * MIB },
		{ "1  GiB", VALUE_OK, GIB },
		{ "0 B", VALUE_OK, 0 },
		{ "16383 TiB", VALUE_OK, 16383 * 1024 * GIB },
		{ "16777216 TiB", VALUE_TOO_LARGE, 0 },
		{ "18446744073709551615 B", VALUE_OK, UINT64_MAX },
		{ "18446744073709551616 B", VALUE_TOO_LARGE, 0 },
		{ "512", VALUE_NO_UNIT, 0 },
		{ "512 ", VALUE_NO_UNIT, 0 },
		{ "512 MB", VALUE_BAD_UNIT, 0 },
		{ "512 mib", VALUE_BAD_UNIT, 0 },
		{ "512 MiBs", VALUE_BAD_UNIT, 0 },
		{ "512 MiB ", VALUE_BAD_UNIT, 0 },
		{ "1.5 GiB", VALUE_MALFORMED, 0 },
		{ "-1 MiB", VALUE_MALFORMED, 0 },
		{ "+1 MiB", VALUE_MALFORMED, 0 },
		{ " 1 MiB", VALUE_MALFORMED, 0 },
		{ "0x10 MiB", VALUE_BAD_UNIT, 0 },
		{ "MiB", VALUE_MALFORMED, 0 },
		{ "", VALUE_MALFORMED, 0 },
	};
	run_rows(value_size, rows, ARRAY_LEN(rows));
}

static void test_percents_and_durations(void **state)
{
	(void)state;
	static const struct row percents[] = {
		{ "80%", VALUE_OK, 80 },       { "80 %", VALUE_OK, 80 },    { "80", VALUE_NO_UNIT, 0 },
		{ "80%%", VALUE_BAD_UNIT, 0 }, { "%", VALUE_MALFORMED, 0 },
	};
	static const struct row durations[] = {
		{ "7 days", VALUE_OK, 604800 },   { "1 day", VALUE_OK, 86400 },     { "2 weeks", VALUE_OK, 1209600 },
		{ "90 seconds", VALUE_OK, 90 },   { "1 month", VALUE_BAD_UNIT, 0 }, { "7", VALUE_NO_UNIT, 0 },
		{ "30 minutes", VALUE_OK, 1800 }, { "12 hours", VALUE_OK, 43200 },
	};
	run_rows(value_percent, percents, ARRAY_LEN(percents));
	run_rows(value_duration, durations, ARRAY_LEN(durations));
}

static void test_counts(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "0", VALUE_OK, 0 },
		{ "007", VALUE_OK, 7 },
		{ "18446744073709551615", VALUE_OK, UINT64_MAX },
		{ "18446744073709551616", VALUE_TOO_LARGE, 0 },
		{ "2.0", VALUE_MALFORMED, 0 },
		{ "two", VALUE_MALFORMED, 0 },
		{ "2 ", VALUE_MALFORMED, 0 },
	};
	run_rows(value_count, rows, ARRAY_LEN(rows));
}

static void test_modes(void **state)
{
	(void)state;
	uint32_t m = 0;
	assert_int_equal(value_mode("0644", &m), VALUE_OK);
	assert_int_equal(m, 0644);
	assert_int_equal(value_mode("4755", &m), VALUE_OK);
	assert_int_equal(m, 04755);
	assert_int_equal(value_mode("755", &m), VALUE_OK);
	static const char *const bad[] = { "", "64", "06444", "0888", "rwx", "-644" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(value_mode(bad[i], &m), VALUE_MALFORMED);
}

static void test_console_keys(void **state)
{
	(void)state;
	uint8_t b = 0;
	assert_int_equal(value_console_key("ctrl-]", &b), VALUE_OK);
	assert_int_equal(b, 0x1d);
	assert_int_equal(value_console_key("ctrl-a", &b), VALUE_OK);
	assert_int_equal(b, 1);
	assert_int_equal(value_console_key("ctrl-_", &b), VALUE_OK);
	assert_int_equal(b, 0x1f);
	static const char *const bad[] = { "ctrl-m", "ctrl-i", "ctrl-[", "ctrl-A", "ctrl-", "ctrl-ab", "ctrl-@", "a", "", "alt-a" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(value_console_key(bad[i], &b), VALUE_MALFORMED);
}

static void test_key_combos(void **state)
{
	(void)state;
	static const char *const good[] = { "leftmeta+tab", "leftctrl+leftalt+f12", "f1",
					    "power",        "leftmeta+a",           "leftctrl+leftalt+leftshift+9" };
	static const char *const bad[] = { "",          "a",    "tab+leftmeta",  "leftmeta",
					   "leftmeta+", "+tab", "leftmeta++tab", "leftmeta+leftalt+leftctrl+leftshift+a",
					   "f0",        "f123" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(value_key_combo(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(value_key_combo(bad[i]));
}

static void test_patterns(void **state)
{
	(void)state;
	static const char *const good[] = { "a*", "[ab]", "[]a]", "[!]a]", "a\\[", "" };
	static const char *const bad[] = { "[", "[a", "[]", "[!]", "a\\", "[!" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(value_glob_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(value_glob_ok(bad[i]));
	assert_true(value_is_glob("a?"));
	assert_false(value_is_glob("a.deb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),    cmocka_unit_test(test_percents_and_durations), cmocka_unit_test(test_counts),
		cmocka_unit_test(test_modes),    cmocka_unit_test(test_console_keys),           cmocka_unit_test(test_key_combos),
		cmocka_unit_test(test_patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/manifest/chord.h"
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

static void test_chords(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum chord_error want;
		uint16_t codes[CHORD_MAX];
	} rows[] = {
		/* Codes as in Linux's input-event-codes.h. */
		{ "leftmeta+tab", CHORD_OK, { 125, 15 } },
		{ "tab+leftmeta", CHORD_OK, { 15, 125 } },
		{ "leftctrl+leftalt+f12", CHORD_OK, { 29, 56, 88 } },
		{ "f1", CHORD_OK, { 59 } },
		{ "power", CHORD_OK, { 116 } },
		{ "volumeup+volumedown", CHORD_OK, { 115, 114 } },
		{ "leftmeta+a", CHORD_OK, { 125, 30 } },
		{ "leftctrl+leftalt+leftshift+0", CHORD_OK, { 29, 56, 42, 11 } },
		{ "a", CHORD_TYPING, { 0 } },
		{ "a+b", CHORD_TYPING, { 0 } },
		{ "leftshift+a", CHORD_TYPING, { 0 } },
		{ "leftmeta", CHORD_TYPING, { 0 } },
		{ "leftmeta+leftalt+leftctrl+leftshift+a", CHORD_COUNT, { 0 } },
		{ "f1+f1", CHORD_COUNT, { 0 } },
		{ "", CHORD_UNKNOWN, { 0 } },
		{ "leftmeta+", CHORD_UNKNOWN, { 0 } },
		{ "+tab", CHORD_UNKNOWN, { 0 } },
		{ "leftmeta++tab", CHORD_UNKNOWN, { 0 } },
		{ "leftmeta+tabs", CHORD_UNKNOWN, { 0 } },
		{ "leftmeta tab", CHORD_UNKNOWN, { 0 } },
		{ "f13", CHORD_UNKNOWN, { 0 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t codes[CHORD_MAX] = { 0 };
		const char *bad = NULL;
		size_t bad_len = 0;
		enum chord_error e = chord_parse(rows[i].text, codes, &bad, &bad_len);
		if (e != rows[i].want)
			print_error("'%s' gives %d\n", rows[i].text, (int)e);
		assert_int_equal(e, rows[i].want);
		assert_memory_equal(codes, rows[i].codes, sizeof(codes));
		assert_int_equal(bad != NULL, e == CHORD_UNKNOWN);
		if (bad)
			assert_true(bad >= rows[i].text && bad + bad_len <= rows[i].text + strlen(rows[i].text));
	}
}

/* Every name in the list is a key of its own, and none is written like a chord. */
static void test_key_names_are_different(void **state)
{
	(void)state;
	for (size_t i = 0; chord_key_name(i); i++) {
		char text[64];
		uint16_t codes[CHORD_MAX] = { 0 };
		const char *bad;
		size_t bad_len;
		assert_null(strchr(chord_key_name(i), '+'));
		for (size_t k = 0; k < i; k++) {
			(void)snprintf(text, sizeof(text), "leftctrl+%s+%s", chord_key_name(k), chord_key_name(i));
			if (strcmp(chord_key_name(k), "leftctrl") != 0 && strcmp(chord_key_name(i), "leftctrl") != 0)
				assert_int_equal(chord_parse(text, codes, &bad, &bad_len), CHORD_OK);
		}
	}
}

static void test_hours_and_booleans(void **state)
{
	(void)state;
	uint64_t from, to, v;
	assert_true(value_hours("22:00-07:30", &from, &to) == VALUE_OK && from == 22 * 60 && to == 7 * 60 + 30);
	assert_true(value_hours("00:00-23:59", &from, &to) == VALUE_OK && from == 0 && to == 24 * 60 - 1);
	static const char *const bad[] = { "",           "22:00",        "22:00-",      "22:00-22:00", "24:00-07:00", "22:60-07:00",
					   "2:00-07:00", "22:00-07:00 ", "22.00-07:00", "22:00_07:00", "-1:00-07:00", "22:00-07:0" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(value_hours(bad[i], &from, &to), VALUE_MALFORMED);
	assert_true(value_bool("true", &v) == VALUE_OK && v == 1);
	assert_true(value_bool("false", &v) == VALUE_OK && v == 0);
	assert_int_equal(value_bool("yes", &v), VALUE_MALFORMED);
	assert_int_equal(value_bool("", &v), VALUE_MALFORMED);
}

static void test_rates_and_colors(void **state)
{
	(void)state;
	uint64_t v = 0;
	assert_true(value_rate("100 Mbit/s", &v) == VALUE_OK && v == 100000000);
	assert_true(value_rate("64kbit/s", &v) == VALUE_OK && v == 64000);
	assert_true(value_rate("2 Gbit/s", &v) == VALUE_OK && v == 2000000000);
	assert_int_equal(value_rate("100", &v), VALUE_NO_UNIT);
	assert_int_equal(value_rate("100 MB/s", &v), VALUE_BAD_UNIT);
	assert_int_equal(value_rate("1.5 Mbit/s", &v), VALUE_MALFORMED);
	assert_int_equal(value_rate("99999999999999999 Gbit/s", &v), VALUE_TOO_LARGE);
	assert_true(value_color("#2e7D32", &v) == VALUE_OK && v == 0x2e7d32);
	assert_true(value_color("#000000", &v) == VALUE_OK && v == 0);
	static const char *const bad[] = { "", "#", "2e7d32", "#2e7d3", "#2e7d322", "#2e7d3g", "#2e 7d3", "green" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(value_color(bad[i], &v), VALUE_MALFORMED);
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
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_percents_and_durations),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_console_keys),
		cmocka_unit_test(test_chords),
		cmocka_unit_test(test_key_names_are_different),
		cmocka_unit_test(test_rates_and_colors),
		cmocka_unit_test(test_hours_and_booleans),
		cmocka_unit_test(test_patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

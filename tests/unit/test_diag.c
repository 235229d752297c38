#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"

static void test_fail_returns_minus_one_and_keeps_everything(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	char file[] = "a.yaml";
	struct loc loc = { .file = file, .line = 3, .col = 7 };
	assert_int_equal(diag_fail(d, MVP0203, &loc, "unknown key '%s'", "x"), -1);
	file[0] = 'b'; /* the place was copied */
	diag_hint(d, "first");
	diag_hint(d, "second %d", 2);
	diag_note(d, "one");
	diag_note(d, "two");
	assert_int_equal(diag_count(d), 1);
	const struct diag_item *it = diag_get(d, 0);
	assert_int_equal(it->code, MVP0203);
	assert_int_equal(it->severity, DIAG_ERROR);
	assert_string_equal(it->loc.file, "a.yaml");
	assert_int_equal(it->loc.line, 3);
	assert_string_equal(it->message, "unknown key 'x'");
	assert_string_equal(it->hint, "first; second 2");
	assert_int_equal(it->notes_count, 2);
	assert_string_equal(it->notes[1], "two");
}

static void test_exit_status_is_that_of_the_first_error(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	assert_int_equal(diag_exit_status(d), EXIT_OK);
	diag_warn(d, MVP0801, NULL, "a warning");
	assert_int_equal(diag_exit_status(d), EXIT_OK);
	assert_int_equal(diag_errors(d), 0);
	(void)diag_fail(d, MVP0200, NULL, "an input");
	(void)diag_fail(d, MVP0203, NULL, "a manifest");
	assert_int_equal(diag_exit_status(d), EXIT_INPUT);
	assert_int_equal(diag_errors(d), 2);
	assert_int_equal(diag_count(d), 3);
	assert_null(diag_get(d, 1)->loc.file);
}

static void test_what_several_workers_met_is_said_once(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct loc at = { .file = "phone.yaml", .line = 3 };
	for (int i = 0; i < 3; i++) {
		struct diag *from = diag_new();
		(void)diag_fail(from, MVP0313, NULL, "cannot write: %s", i < 2 ? "no space" : "too large");
		diag_hint(from, "make room");
		(void)diag_fail(from, MVP0203, &at, "unknown key");
		diag_warn(from, MVP0623, NULL, "read by all");
		diag_merge(d, from);
	}
	assert_int_equal(diag_count(d), 2 + 3 + 3); /* the same error of no place; those of a place and warnings stay */
	assert_int_equal(diag_errors(d), 2 + 3);
	assert_string_equal(diag_get(d, 0)->hint, "make room");
}

static void test_merge_appends_in_order_and_takes(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new(), *from = diag_new();
	diag_warn(d, MVP0290, NULL, "mine");
	(void)diag_fail(from, MVP0203, &LOC_FILE("f"), "theirs");
	diag_hint(from, "h");
	diag_warn(from, MVP0290, NULL, "last");
	diag_merge(d, from);
	diag_merge(d, diag_new());
	diag_merge(d, NULL);
	assert_int_equal(diag_count(d), 3);
	assert_int_equal(diag_errors(d), 1);
	assert_string_equal(diag_get(d, 1)->message, "theirs");
	assert_string_equal(diag_get(d, 1)->hint, "h");
	assert_string_equal(diag_get(d, 2)->message, "last");
}

static void test_nearest_hints_only_when_near(void **state)
{
	(void)state;
	static const char *const words[] = { "memory", "cpus" };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	diag_warn(d, MVP0203, NULL, "x");
	diag_hint_nearest(d, "telephone", words, 2);
	assert_null(diag_get(d, 0)->hint);
	diag_hint_nearest(d, "memroy", words, 2);
	assert_string_equal(diag_get(d, 0)->hint, "did you mean 'memory'?");
}

static void test_codes_are_decimal_and_found(void **state)
{
	(void)state;
	size_t count;
	const struct diag_info *all = diag_info_all(&count);
	assert_int_equal(MVP0203, 203);
	assert_int_equal(MVP0208, 208);
	assert_true(count > 10);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(diag_info_find((unsigned)all[i].code), &all[i]);
		assert_true(all[i].exit != EXIT_OK);
	}
	assert_null(diag_info_find(9999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_returns_minus_one_and_keeps_everything),
		cmocka_unit_test(test_exit_status_is_that_of_the_first_error),
		cmocka_unit_test(test_what_several_workers_met_is_said_once),
		cmocka_unit_test(test_merge_appends_in_order_and_takes),
		cmocka_unit_test(test_nearest_hints_only_when_near),
		cmocka_unit_test(test_codes_are_decimal_and_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

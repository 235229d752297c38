/* Buffers, bytes, checked arithmetic and text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"

static void test_append_grows_and_ends_in_nul(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	assert_string_equal(buf_str(&b), "");
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%03u.", i), 0);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(buf_str(&b) + 3996, "999.", 5);
	size_t len;
	uint8_t *p CLEANUP_FREE = buf_take(&b, &len);
	assert_int_equal(len, 4000);
	assert_memory_equal(p, "000.", 4);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_putc(&b, 'x'), 0);
	assert_string_equal(buf_str(&b), "x");
}

static void test_ceiling_holds_and_the_error_sticks(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_MAX(8);
	assert_int_equal(buf_puts(&b, "12345678"), 0);
	assert_int_equal(buf_putc(&b, '9'), -EFBIG);
	assert_int_equal(buf_puts(&b, ""), -EFBIG);
	assert_int_equal(buf_error(&b), -EFBIG);
	assert_null(buf_take(&b, NULL));
	assert_null(buf_reserve(&b, 1));
	assert_string_equal(buf_str(&b), "");
	buf_fini(&b);
	assert_int_equal(buf_puts(&b, "ok"), 0);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX), -EFBIG);
}

static void test_wire_order(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	buf_le16(&b, 0x0102);
	buf_be16(&b, 0x0102);
	buf_le32(&b, 0x01020304);
	buf_be32(&b, 0x01020304);
	buf_le64(&b, 0x0102030405060708);
	buf_be64(&b, 0x0102030405060708);
	buf_align(&b, 16);
	static const uint8_t want[32] = { 2, 1, 1, 2, 4, 3, 2, 1, 1, 2, 3, 4, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
	assert_int_equal(b.len, 32);
	assert_memory_equal(b.data, want, 32);
	assert_int_equal(get_le16(want), 0x0102);
	assert_int_equal(get_be32(want + 8), 0x01020304);
	assert_int_equal(get_le64(want + 12), 0x0102030405060708);
	assert_int_equal(get_be64(want + 20), 0x0102030405060708);
	static const uint8_t high[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	assert_true(get_le64(high) == UINT64_MAX && get_be64(high) == UINT64_MAX && get_le32(high) == UINT32_MAX);
}

static void test_arithmetic_refuses_what_does_not_fit(void **state)
{
	(void)state;
	uint64_t v = 7;
	assert_false(num_add(UINT64_MAX, 1, &v));
	assert_false(num_mul(1ULL << 32, 1ULL << 32, &v));
	assert_false(num_align_up(UINT64_MAX, 4096, &v));
	assert_int_equal(v, 7);
	assert_true(num_align_up(UINT64_MAX - 4095, 4096, &v));
	assert_true(v == UINT64_MAX - 4095);
	assert_true(num_align_up(5, 3, &v));
	assert_int_equal(v, 6);
	assert_true(num_inside(10, 0, 10));
	assert_true(num_inside(0, 10, 10));
	assert_false(num_inside(11, 0, 10));
	assert_false(num_inside(1, UINT64_MAX, 10));
	assert_false(num_inside(UINT64_MAX, 1, 10));
}

static void test_nearest_word(void **state)
{
	(void)state;
	static const char *const words[] = { "memory", "cpus", "userdata", "security-version", "of" };
	size_t n = ARRAY_LEN(words);
	assert_string_equal(text_nearest("memry", words, n), "memory");
	assert_string_equal(text_nearest("mmeory", words, n), "memory");
	assert_string_equal(text_nearest("CPUS", words, n), "cpus");
	assert_string_equal(text_nearest("user-data", words, n), "userdata");
	assert_string_equal(text_nearest("secu", words, n), "security-version");
	assert_null(text_nearest("banana", words, n));
	static const char *const carriers[] = { "cricket", "open", "verizon" };
	assert_null(text_nearest("nope", carriers, ARRAY_LEN(carriers))); /* half of it is another word */
	assert_string_equal(text_nearest("opne", carriers, ARRAY_LEN(carriers)), "open");
	assert_null(text_nearest("", words, n));
	char huge[200];
	memset(huge, 'm', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	assert_null(text_nearest(huge, words, n));
}

static void test_sizes_for_people(void **state)
{
	(void)state;
	char b[TEXT_SIZE_LEN];
	assert_string_equal(text_size(0, b), "0 bytes");
	assert_string_equal(text_size(1, b), "1 byte");
	assert_string_equal(text_size(1023, b), "1023 bytes");
	assert_string_equal(text_size(1024, b), "1 KiB");
	assert_string_equal(text_size(1536, b), "1.5 KiB");
	assert_string_equal(text_size(512 * MIB, b), "512 MiB");
	assert_string_equal(text_size(GIB - 1, b), "1023.9 MiB");
	assert_string_equal(text_size(UINT64_MAX, b), "15.9 EiB");
}

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *s;
		size_t len, want;
	} cases[] = {
		{ "a", 1, 1 },
		{ "", 0, 0 },
		{ "\xc3\xa4", 2, 2 },
		{ "\xc3", 1, 0 },
		{ "\xc3\x28", 2, 0 },
		{ "\x80", 1, 0 },
		{ "\xc0\x80", 2, 0 },
		{ "\xe2\x82\xac", 3, 3 },
		{ "\xe0\x80\x80", 3, 0 },
		{ "\xed\xa0\x80", 3, 0 },
		{ "\xf0\x9f\x98\x80", 4, 4 },
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(text_utf8_len(cases[i].s, cases[i].len), cases[i].want);
}

static void test_hex_and_uuid(void **state)
{
	(void)state;
	static const uint8_t id[16] = { 0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
	char hex[5], uuid[TEXT_UUID_LEN];
	assert_string_equal(text_hex(id, 2, hex), "0fc6");
	assert_string_equal(text_uuid(id, uuid), "0fc63daf-8483-4772-8e79-3d69d8477de4");
}

static void test_growing_array_is_zeroed(void **state)
{
	(void)state;
	uint32_t *v = NULL;
	size_t cap = 0;
	for (size_t i = 0; i < 1000; i++) {
		mem_grow(&v, i, &cap, sizeof(*v));
		assert_int_equal(v[i], 0);
		v[i] = (uint32_t)i;
	}
	assert_int_equal(v[999], 999);
	free(v);
	assert_null(mem_try(SIZE_MAX / 2, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_grows_and_ends_in_nul),
		cmocka_unit_test(test_ceiling_holds_and_the_error_sticks),
		cmocka_unit_test(test_wire_order),
		cmocka_unit_test(test_arithmetic_refuses_what_does_not_fit),
		cmocka_unit_test(test_nearest_word),
		cmocka_unit_test(test_sizes_for_people),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_hex_and_uuid),
		cmocka_unit_test(test_growing_array_is_zeroed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The record of a build's last run: read as it was kept; cut off or changed anywhere, it is refused or read, and never more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/cache/entry.h"
#include "imagegen/graph/record.h"

static const uint8_t key[CACHE_KEY_LEN] = { 3 };

/* The payload of a record with inputs, partitions and outputs; malloc'd. */
static uint8_t *kept(const char *home, size_t *ret_len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct cache *c CLEANUP(cache_freep) = NULL;
	struct stamps inputs CLEANUP(stamps_fini) = { 0 };
	struct bundle_output outputs[] = { { .format = "disk", .path = mem_strdup("out/a.img"), .len = 4096, .sha256 = { 1 } },
					   { .format = "odin", .path = mem_strdup("out/b.tar.md5"), .len = 1, .sha256 = { 2 } } };
	struct build_part parts[] = { { .oem = "one", .name = "boot", .len = 8, .data_len = 4 },
				      { .name = "work", .len = 16, .data_len = 16, .encrypted = true } };
	const struct build_result r = { .core_text = 1,
					.core_image = 2,
					.vault_image = 3,
					.measurement = { 9 },
					.parts = parts,
					.parts_count = 2,
					.outputs = { outputs, 2, 2 } };
	char hex[2 * CACHE_KEY_LEN + 1];
	uint8_t *file;
	size_t len;
	assert_int_equal(setenv("XDG_CACHE_HOME", home, 1), 0);
	c = cache_open(d);
	stamps_add(&inputs, "/etc/passwd", true);
	stamps_add(&inputs, "/etc", false);
	stamps_add(&inputs, "/nothing", true);
	record_put(c, key, &inputs, &r);
	char *path CLEANUP_FREE = mem_printf("%s/mvp/record/%s", home, text_hex(key, sizeof(key), hex));
	assert_int_equal(io_read_file(path, 1 << 20, &file, &len), 0);
	assert_true(cache_entry_valid(file, len, "record", key));
	free(outputs[0].path);
	free(outputs[1].path);
	*ret_len = len - CACHE_HEADER_LEN;
	memmove(file, file + CACHE_HEADER_LEN, *ret_len);
	return file;
}

static void test_record_is_read_as_it_was_kept(void **state)
{
	(void)state;
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct record r CLEANUP(record_fini) = { 0 };
	size_t len;
	assert_int_equal(tmpdir_new("/tmp", &home), 0);
	uint8_t *data CLEANUP_FREE = kept(tmpdir_path(home), &len);
	assert_true(record_parse(data, len, &r));
	assert_int_equal(r.inputs.count, 3);
	assert_string_equal(r.inputs.v[0].path, "/etc/passwd");
	assert_true(r.inputs.v[0].listed && !r.inputs.v[1].listed);
	assert_null(stamps_changed(&r.inputs, false));
	assert_int_equal(r.result.core_text, 1);
	assert_int_equal(r.result.measurement[0], 9);
	assert_int_equal(r.result.parts_count, 2);
	assert_string_equal(r.result.parts[0].oem, "one");
	assert_true(r.result.parts[1].encrypted && !r.result.parts[0].encrypted);
	assert_int_equal(r.result.outputs.count, 2);
	assert_string_equal(r.result.outputs.v[1].path, "out/b.tar.md5");
	assert_int_equal(r.result.outputs.v[1].sha256[0], 2);
}

static void test_damaged_record_is_survived(void **state)
{
	(void)state;
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	size_t len;
	assert_int_equal(tmpdir_new("/tmp", &home), 0);
	uint8_t *data CLEANUP_FREE = kept(tmpdir_path(home), &len);
	for (size_t n = 0; n < len; n++) {
		/* A copy of its own, so that a byte read behind it is seen. */
		uint8_t *copy CLEANUP_FREE = mem_zeroed(1, n);
		struct record r CLEANUP(record_fini) = { 0 };
		memcpy(copy, data, n);
		assert_false(record_parse(copy, n, &r));
	}
	for (size_t bit = 0; bit < len * 8; bit++) {
		uint8_t *copy CLEANUP_FREE = mem_zeroed(1, len);
		struct record r CLEANUP(record_fini) = { 0 };
		memcpy(copy, data, len);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!record_parse(copy, len, &r))
			assert_int_equal(r.inputs.count + r.outputs.count + r.result.outputs.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_is_read_as_it_was_kept),
		cmocka_unit_test(test_damaged_record_is_survived),
	};
	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}

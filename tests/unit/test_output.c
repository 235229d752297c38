/* The file a packer writes: what is stored past the page cache and what is written through it are one file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/output.h"

#define LEN (2 * MIB)

/* Whole blocks, parts of blocks and memory that lies odd, side by side and from the end; what lies between reads as zeros. */
static void test_stored_pieces_are_all_there(void **state)
{
	(void)state;
	static const struct {
		size_t odd, len; /* bytes that its memory lies beside a block; of it */
		uint64_t at;
	} pieces[] = { { 0, MIB, MIB }, { 0, 4096, 8192 }, { 1, 4096, 12288 }, { 0, 100, 16384 }, { 0, 4096, 16484 }, { 0, 8192, 0 } };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tmpdir *dir CLEANUP(tmpdir_freep) = NULL;
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	struct output *o CLEANUP(output_freep) = NULL;
	uint8_t *memory CLEANUP_FREE = mem_large(LEN), *want CLEANUP_FREE = mem_zeroed(1, LEN), *got = NULL;
	size_t got_len = 0;
	assert_int_equal(tmpdir_new("/tmp", &dir), 0);
	assert_int_equal(output_open(tmpdir_path(dir), "disk.img", &o, d), 0);
	assert_int_equal(output_resize(o, LEN, d), 0);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		memset(memory + pieces[i].odd, 'a' + (int)i, pieces[i].len);
		memset(want + pieces[i].at, 'a' + (int)i, pieces[i].len);
		assert_int_equal(output_store(o, memory + pieces[i].odd, pieces[i].len, pieces[i].at, d), 0);
	}
	memset(want + 30000, 'x', 10);
	assert_int_equal(output_write(o, "xxxxxxxxxx", 10, 30000, d), 0);
	assert_int_equal(output_done(o, "disk", LEN, NULL, &outputs, d), 0);
	assert_int_equal(output_publish(o, d), 0);
	char *path CLEANUP_FREE = mem_printf("%s/disk.img", tmpdir_path(dir));
	assert_int_equal(io_read_file(path, LEN, &got, &got_len), 0);
	assert_int_equal(got_len, LEN);
	assert_memory_equal(got, want, LEN);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_pieces_are_all_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

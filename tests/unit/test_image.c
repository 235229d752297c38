#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"

static struct image *filled(char c, size_t len)
{
	char *p = mem_array(char, len);
	memset(p, c, len);
	return image_mem(p, len);
}

/* Letters for data, '.' for holes, as the extents say it; and the extents are maximal, whatever byte one asks about. */
static void assert_image(const struct image *img, const char *want)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	size_t len = strlen(want);
	assert_int_equal(image_len(img), len);
	for (size_t at = 0; at < len; at++) {
		for (size_t n = 0; n <= len - at; n++) {
			char buf[64];
			memset(buf, 0x55, sizeof(buf));
			assert_int_equal(image_read(img, at, buf, n, d), 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(buf[i], want[at + i] == '.' ? 0 : want[at + i]);
			assert_int_equal(buf[n], 0x55);
		}
		bool data = want[at] != '.';
		size_t start = at, end = at;
		while (start > 0 && (want[start - 1] != '.') == data)
			start--;
		while (end < len && (want[end] != '.') == data)
			end++;
		struct extent e = image_extent(img, at);
		assert_int_equal(e.data, data);
		assert_int_equal(e.at, start);
		assert_int_equal(e.len, end - start);
	}
}

static void test_hole_and_memory(void **state)
{
	(void)state;
	struct image *hole CLEANUP(image_freep) = image_hole(5);
	struct image *mem CLEANUP(image_freep) = filled('a', 3);
	struct image *none CLEANUP(image_freep) = image_hole(0);
	assert_image(hole, ".....");
	assert_image(mem, "aaa");
	assert_image(none, "");
}

static void test_composition_joins_touching_extents(void **state)
{
	(void)state;
	struct image *a CLEANUP(image_freep) = filled('a', 3), *b CLEANUP(image_freep) = filled('b', 2),
			*h CLEANUP(image_freep) = image_hole(2);
	struct image *e CLEANUP(image_freep) = image_hole(0);
	const struct image_piece pieces[] = { { a, 1 }, { b, 4 }, { e, 6 }, { h, 7 }, { b, 10 } };
	struct image *c CLEANUP(image_freep) = image_compose(13, pieces, ARRAY_LEN(pieces));
	assert_image(c, ".aaabb....bb.");
	struct image *empty CLEANUP(image_freep) = image_compose(4, NULL, 0);
	assert_image(empty, "....");
}

static void test_nested_compositions_and_slices(void **state)
{
	(void)state;
	struct image *a CLEANUP(image_freep) = filled('a', 2), *b CLEANUP(image_freep) = filled('b', 2);
	struct image *inner CLEANUP(image_freep) = image_compose(8, (struct image_piece[]){ { a, 2 }, { b, 6 } }, 2);
	struct image *outer CLEANUP(image_freep) = image_compose(20, (struct image_piece[]){ { inner, 1 }, { inner, 9 }, { a, 17 } }, 3);
	assert_image(inner, "..aa..bb");
	assert_image(outer, "...aa..bb..aa..bbaa.");
	struct image *slice CLEANUP(image_freep) = image_slice(outer, 4, 12);
	assert_image(slice, "a..bb..aa..b");
	struct image *again CLEANUP(image_freep) = image_slice(slice, 1, 2);
	assert_image(again, "..");
	struct image *mixed CLEANUP(image_freep) = image_compose(16, (struct image_piece[]){ { slice, 2 }, { again, 14 } }, 2);
	assert_image(mixed, "..a..bb..aa..b..");
}

static void test_pieces_outlive_their_owners(void **state)
{
	(void)state;
	struct image *a = filled('a', 2), *c CLEANUP(image_freep) = NULL;
	c = image_compose(2, &(struct image_piece){ a, 0 }, 1);
	image_free(a);
	struct image *more = image_ref(c);
	image_free(more);
	assert_image(c, "aa");
}

static int file_with(const char *content)
{
	int fd = tmpfile_unlinked("/tmp");
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, content, strlen(content)), 0);
	return fd;
}

static void test_file_reads_only_its_extents(void **state)
{
	(void)state;
	struct extent *x = mem_array(struct extent, 3);
	x[0] = (struct extent){ .at = 1, .len = 2, .data = true };
	x[1] = (struct extent){ .at = 3, .len = 1, .data = true };
	x[2] = (struct extent){ .at = 6, .len = 2, .data = true };
	struct image *img CLEANUP(image_freep) = image_fd(file_with("abcdefgh"), 8, x, 3, "f");
	assert_image(img, ".bcd..gh");
}

/* Written from the end, in pieces: holes stay holes, and all reads as it was written. */
static void test_holes_of_files_are_found(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const uint64_t len = 4 * MIB, at[] = { 3 * MIB, MIB };
	uint8_t *piece CLEANUP_FREE = mem_large(MIB), *back CLEANUP_FREE = mem_large(MIB);
	int fd = tmpfile_unlinked("/tmp");
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		memset(piece, 'a' + (int)i, MIB);
		assert_int_equal(io_pwrite_all(fd, piece, MIB, at[i]), 0);
	}
	struct image *img CLEANUP(image_freep) = image_file(fd, len, "f");
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		memset(piece, 'a' + (int)i, MIB);
		assert_true(image_extent(img, at[i]).data);
		assert_int_equal(image_read(img, at[i], back, MIB, d), 0);
		assert_memory_equal(back, piece, MIB);
	}
	memset(piece, 0, MIB);
	assert_false(image_extent(img, 0).data);
	assert_false(image_extent(img, 2 * MIB).data);
	assert_int_equal(image_read(img, 2 * MIB, back, MIB, d), 0);
	assert_memory_equal(back, piece, MIB);
}

static void test_pipes_are_no_images(void **state)
{
	(void)state;
	struct tmpdir *dir CLEANUP(tmpdir_freep) = NULL;
	struct image *img = NULL;
	assert_int_equal(tmpdir_new("/tmp", &dir), 0);
	char *path CLEANUP_FREE = mem_printf("%s/pipe", tmpdir_path(dir));
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)alarm(20); /* nobody writes to it: opening it must not wait */
	assert_int_equal(image_open(path, &img), -ENOTBLK);
	(void)alarm(0);
	assert_int_equal(image_open(tmpdir_path(dir), &img), -ENOTBLK);
	assert_null(img);
}

static void test_short_file_is_reported_with_its_name(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct extent *x = mem_array(struct extent, 1);
	x[0] = (struct extent){ .at = 0, .len = 8, .data = true };
	struct image *img CLEANUP(image_freep) = image_fd(file_with("abc"), 8, x, 1, "spool");
	char buf[8];
	assert_int_equal(image_read(img, 0, buf, 3, d), 0);
	assert_int_equal(diag_count(d), 0);
	assert_int_equal(image_read(img, 0, buf, 8, d), -1);
	assert_int_equal(diag_count(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0801);
	assert_string_equal(diag_get(d, 0)->loc.file, "spool");
}

static void test_huge_images_cost_nothing(void **state)
{
	(void)state;
	struct image *a CLEANUP(image_freep) = filled('a', 1);
	uint64_t len = (uint64_t)1 << 62;
	struct image *c CLEANUP(image_freep) = image_compose(len, (struct image_piece[]){ { a, 0 }, { a, len - 1 } }, 2);
	struct extent e = image_extent(c, len / 2);
	assert_false(e.data);
	assert_int_equal(e.at, 1);
	assert_true(e.len == len - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hole_and_memory),
		cmocka_unit_test(test_composition_joins_touching_extents),
		cmocka_unit_test(test_nested_compositions_and_slices),
		cmocka_unit_test(test_pieces_outlive_their_owners),
		cmocka_unit_test(test_file_reads_only_its_extents),
		cmocka_unit_test(test_holes_of_files_are_found),
		cmocka_unit_test(test_pipes_are_no_images),
		cmocka_unit_test(test_short_file_is_reported_with_its_name),
		cmocka_unit_test(test_huge_images_cost_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

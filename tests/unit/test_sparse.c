/* Sparse images: a small reader of our own expands what was written, over old contents. */
#include "tests/unit/formats.h"

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/sparse/map.h"

static int to_buf(void *ctx, const void *data, size_t len, struct diag *d)
{
	(void)d;
	return buf_append(ctx, data, len) < 0 ? -1 : 0;
}

/* Writes one piece, fed in steps of step bytes; holes as NULL. */
static void write_piece(const struct image *img, const struct sparse_opts *opts, const struct sparse_plan *plan, size_t piece,
			uint64_t step, struct buf *out)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const struct sparse_sink sink = { to_buf, out };
	struct sparse *s CLEANUP(sparse_freep) = sparse_new(plan, piece, &sink);
	uint8_t *all CLEANUP_FREE = whole(img);
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		uint64_t n = num_min(step, e.at + e.len - at);
		assert_int_equal(sparse_add(s, e.data ? all + at : NULL, n, d), 0);
		at += n;
	}
	assert_int_equal(sparse_add(s, NULL, opts->len - image_len(img), d), 0);
	assert_int_equal(sparse_end(s, d), 0);
	assert_int_equal(out->len, sparse_plan_len(plan, piece));
	assert_int_equal(get_le32(out->data + 20), sparse_plan_chunks(plan, piece));
}

/* Expands over what is in disk; checks the format on the way. *ret_kept: bytes that were left as they were. */
static void expand(const struct buf *in, uint8_t *disk, uint64_t len, uint64_t *ret_kept)
{
	size_t at = 28;
	uint64_t block = 0, kept = 0;
	assert_int_equal(get_le32(in->data), 0xed26ff3a);
	assert_int_equal(get_le32(in->data + 8), 12 << 16 | 28);
	assert_int_equal(get_le32(in->data + 12), 4096);
	assert_int_equal(get_le32(in->data + 16) * (uint64_t)4096, len);
	for (uint32_t i = 0; i < get_le32(in->data + 20); i++) {
		const uint8_t *c = in->data + at;
		uint64_t blocks = get_le32(c + 4);
		uint8_t *out = disk + block * 4096;
		assert_true(blocks > 0 && (block + blocks) * 4096 <= len);
		switch (get_le32(c)) {
		case 0xcac1:
			assert_int_equal(get_le32(c + 8), 12 + blocks * 4096);
			assert_true(blocks <= 64 * MIB / 4096);
			memcpy(out, c + 12, blocks * 4096);
			break;
		case 0xcac2:
			assert_int_equal(get_le32(c + 8), 16);
			for (uint64_t k = 0; k < blocks * 4096; k += 4)
				memcpy(out + k, c + 12, 4);
			break;
		case 0xcac3:
			assert_int_equal(get_le32(c + 8), 12);
			kept += blocks * 4096;
			break;
		default:
			fail();
		}
		at += get_le32(c + 8);
		block += blocks;
	}
	assert_int_equal(at, in->len);
	assert_int_equal(block * 4096, len);
	*ret_kept = kept;
}

static struct image *holey(void)
{
	struct image *a CLEANUP(image_freep) = pattern(10000, 1);
	struct image *b CLEANUP(image_freep) = pattern(300000, 2);
	return image_compose(MIB + 1000, (const struct image_piece[]){ { a, 5 }, { b, 500000 }, { a, MIB + 1000 - 10000 - 3000 } }, 3);
}

/* All pieces expanded over 0xee must give the image; returns how much they left alone. */
static uint64_t check(const struct image *img, const struct sparse_opts *opts, uint64_t step)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	assert_int_equal(sparse_plan_new(img, opts, &plan, d), 0);
	uint8_t *disk CLEANUP_FREE = mem_zeroed(1, opts->len), *all CLEANUP_FREE = whole(img);
	uint64_t kept = 0;
	memset(disk, 0xee, opts->len);
	for (size_t i = 0; i < sparse_plan_pieces(plan); i++) {
		struct buf out CLEANUP(buf_fini) = BUF_MAX(256 * MIB);
		write_piece(img, opts, plan, i, step, &out);
		expand(&out, disk, opts->len, &kept);
		if (opts->limit)
			assert_true(out.len <= opts->limit);
		else
			assert_int_equal(sparse_plan_pieces(plan), 1);
	}
	for (uint64_t i = 0; i < opts->len; i++) {
		uint8_t want = i < image_len(img) ? all[i] : 0;
		bool hole = i >= image_len(img) || !image_extent(img, i).data;
		if (disk[i] != want && !(hole && !opts->fill && disk[i] == 0xee))
			fail_msg("byte %llu: %02x, expected %02x", (unsigned long long)i, disk[i], want);
	}
	return opts->limit ? 0 : kept;
}

static void test_fill_writes_every_byte(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = holey();
	const uint64_t steps[] = { 1, 4095, 65536, UINT64_MAX };
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(check(img, &(struct sparse_opts){ .len = 2 * MIB, .fill = true }, steps[i]), 0);
}

static void test_without_fill_holes_are_left_alone(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = holey();
	uint64_t kept = check(img, &(struct sparse_opts){ .len = 2 * MIB }, 10000);
	assert_true(kept > 2 * MIB - 10000 * 2 - 300000 - 6 * 4096 && kept < 2 * MIB - 320000);
}

static void test_whole_image_a_hole(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = image_hole(MIB);
	struct image *none CLEANUP(image_freep) = image_hole(0);
	assert_int_equal(check(img, &(struct sparse_opts){ .len = MIB }, UINT64_MAX), MIB);
	assert_int_equal(check(img, &(struct sparse_opts){ .len = 2 * MIB, .fill = true }, UINT64_MAX), 0);
	assert_int_equal(check(none, &(struct sparse_opts){ .len = 4096, .fill = true }, UINT64_MAX), 0);
}

static void test_raw_chunks_are_split_at_64_mib(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = pattern(65 * MIB, 3);
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	assert_int_equal(sparse_plan_new(img, &(struct sparse_opts){ .len = 65 * MIB }, &plan, d), 0);
	assert_int_equal(sparse_plan_chunks(plan, 0), 2);
	assert_int_equal(sparse_plan_len(plan, 0), 28 + 2 * 12 + 65 * MIB);
}

static void test_scan_finds_constant_blocks(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *bytes = mem_zeroed(6, 4096);
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	memset(bytes + 4096, 7, 2 * 4096);
	bytes[4 * 4096 - 1] = 1; /* almost constant */
	for (size_t i = 4 * 4096; i < 5 * 4096; i++)
		bytes[i] = (uint8_t)(i % 4); /* a 32-bit pattern */
	struct image *img CLEANUP(image_freep) = image_mem(bytes, 6 * 4096);
	const struct sparse_opts opts = { .len = 6 * 4096, .scan = true };
	assert_int_equal(sparse_plan_new(img, &opts, &plan, d), 0);
	/* zeros, sevens (two blocks), raw, pattern, zeros */
	assert_int_equal(sparse_plan_chunks(plan, 0), 5);
	assert_int_equal(sparse_plan_len(plan, 0), 28 + 4 * 16 + 12 + 4096);
	assert_int_equal(check(img, &opts, 5000), 0);
}

static void test_pieces_stay_below_the_limit(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = holey();
	const uint64_t limits[] = { 65536, 65537, 70000, 200000, 10 * MIB };
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		for (int fill = 0; fill < 2; fill++)
			check(img, &(struct sparse_opts){ .len = 2 * MIB, .fill = fill, .limit = limits[i] }, 30000);
}

static void test_refuses_lengths_that_cannot_be(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = image_hole(8192);
	const struct sparse_opts cases[] = {
		{ .len = 0 }, { .len = 4096 }, { .len = 8193 }, { .len = (uint64_t)4096 << 32 }, { .len = 8192, .limit = 65535 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sparse_plan *plan = NULL;
		assert_int_equal(sparse_plan_new(img, &cases[i], &plan, d), -1);
		expect_only(&d, MVP0507);
	}
}

static int place(void *ctx, const void *data, size_t len, uint64_t at, struct diag *d)
{
	struct buf *out = ctx;
	(void)d;
	assert_true(at + len <= out->len);
	memcpy(out->data + at, data, len);
	return 0;
}

/* Content that comes from the end to the front, in steps that divide neither blocks nor chunks, gives the same file as in order. */
static void test_out_of_order_the_file_is_the_same(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = holey();
	const struct sparse_opts opts = { .len = 2 * MIB, .fill = true };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	struct sparse_map *map CLEANUP(sparse_map_freep) = NULL;
	struct buf want CLEANUP(buf_fini) = BUF_MAX(256 * MIB), got CLEANUP(buf_fini) = BUF_MAX(256 * MIB);
	uint8_t *all CLEANUP_FREE = whole(img);
	assert_int_equal(sparse_plan_new(img, &opts, &plan, d), 0);
	write_piece(img, &opts, plan, 0, 1000, &want);
	for (size_t i = 0; i < want.len; i++)
		buf_putc(&got, 0);
	assert_int_equal(sparse_map_new(plan, place, &got, &map, d), 0);
	uint64_t steps = (image_len(img) + 776) / 777;
	for (uint64_t i = steps; i-- > 0;) {
		uint64_t at = i * 777, end = num_min(at + 777, image_len(img));
		while (at < end) {
			uint64_t file_at = 0, n = 0;
			if (sparse_map_find(map, at, end - at, &file_at, &n))
				memcpy(got.data + file_at, all + at, n);
			assert_true(n > 0 && n <= end - at);
			at += n;
		}
	}
	assert_memory_equal(got.data, want.data, want.len);
}

static void test_pieces_cannot_come_out_of_order(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = holey();
	const struct sparse_opts opts = { .len = 2 * MIB, .limit = 64 * KIB };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	struct sparse_map *map CLEANUP(sparse_map_freep) = NULL;
	assert_int_equal(sparse_plan_new(img, &opts, &plan, d), 0);
	assert_int_equal(sparse_map_new(plan, place, NULL, &map, d), -1);
	expect_only(&d, MVP0001);
}

static void test_too_much_or_too_little_data_is_an_error(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = image_hole(8192);
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	const struct sparse_sink sink = { to_buf, &out };
	assert_int_equal(sparse_plan_new(img, &(struct sparse_opts){ .len = 8192 }, &plan, d), 0);
	struct sparse *s CLEANUP(sparse_freep) = sparse_new(plan, 0, &sink);
	assert_int_equal(sparse_add(s, NULL, 8191, d), 0);
	assert_int_equal(sparse_add(s, NULL, 2, d), -1);
	expect_only(&d, MVP0001);
	assert_int_equal(sparse_end(s, d), -1);
	expect_only(&d, MVP0001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill_writes_every_byte),
		cmocka_unit_test(test_without_fill_holes_are_left_alone),
		cmocka_unit_test(test_whole_image_a_hole),
		cmocka_unit_test(test_raw_chunks_are_split_at_64_mib),
		cmocka_unit_test(test_scan_finds_constant_blocks),
		cmocka_unit_test(test_pieces_stay_below_the_limit),
		cmocka_unit_test(test_refuses_lengths_that_cannot_be),
		cmocka_unit_test(test_out_of_order_the_file_is_the_same),
		cmocka_unit_test(test_pieces_cannot_come_out_of_order),
		cmocka_unit_test(test_too_much_or_too_little_data_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

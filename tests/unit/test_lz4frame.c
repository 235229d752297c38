/* LZ4 frames, read back by liblz4: compressed and stored, fed in pieces of any size. */
#include "tests/unit/formats.h"

#include <lz4frame.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/bundle/lz4frame.h"

static int to_buf(void *ctx, const void *data, size_t len, struct diag *d)
{
	(void)d;
	return buf_append(ctx, data, len) < 0 ? -1 : 0;
}

/* Text, then noise: the first shrinks, the second does not. */
static uint8_t *content(size_t len)
{
	uint8_t *p = mem_zeroed(1, len + 1);
	uint32_t noise = 1;
	for (size_t i = 0; i < len; i++) {
		noise = noise * 1664525 + 1013904223;
		p[i] = i < len / 2 ? (uint8_t)("frame of a frame "[i % 17]) : (uint8_t)(noise >> 24);
	}
	return p;
}

static void write_frame(struct lz4frame *f, const uint8_t *data, size_t len, size_t step, bool stored, struct buf *out)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const struct sparse_sink sink = { to_buf, out };
	assert_int_equal(lz4frame_begin(f, &sink, len, stored, d), 0);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(lz4frame_write(f, data + at, (size_t)num_min(step, len - at), d), 0);
	assert_int_equal(lz4frame_end(f, d), 0);
	assert_int_equal(buf_error(out), 0);
}

static void check_frame(const struct buf *frame, const uint8_t *data, size_t len)
{
	LZ4F_dctx *ctx = NULL;
	LZ4F_frameInfo_t info;
	uint8_t *got CLEANUP_FREE = mem_zeroed(1, len + 1);
	size_t in_len = frame->len, out_len = len, header = frame->len;
	assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)));
	assert_false(LZ4F_isError(LZ4F_getFrameInfo(ctx, &info, frame->data, &header)));
	assert_int_equal(info.contentSize, len);
	assert_int_equal(info.blockSizeID, LZ4F_max1MB);
	assert_int_equal(info.blockMode, LZ4F_blockIndependent);
	assert_int_equal(info.contentChecksumFlag, LZ4F_contentChecksumEnabled);
	in_len -= header;
	/* 0: the frame is complete, its checksum is right */
	assert_int_equal(LZ4F_decompress(ctx, got, &out_len, frame->data + header, &in_len, NULL), 0);
	assert_int_equal(out_len, len);
	assert_int_equal(header + in_len, frame->len);
	assert_memory_equal(got, data, len);
	assert_false(LZ4F_isError(LZ4F_freeDecompressionContext(ctx)));
}

static void test_lz4frame_is_read_by_liblz4(void **state)
{
	(void)state;
	const size_t lens[] = { 1, 4096, MIB - 1, MIB, MIB + 1, 5 * MIB / 2 };
	const size_t steps[] = { MIB, 65536, 700001 };
	struct lz4frame *f CLEANUP(lz4frame_freep) = lz4frame_new();
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		uint8_t *data CLEANUP_FREE = content(lens[i]);
		struct buf first CLEANUP(buf_fini) = BUF_INIT;
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			struct buf packed CLEANUP(buf_fini) = BUF_INIT, stored CLEANUP(buf_fini) = BUF_INIT;
			write_frame(f, data, lens[i], steps[k], false, &packed);
			check_frame(&packed, data, lens[i]);
			write_frame(f, data, lens[i], steps[k], true, &stored);
			check_frame(&stored, data, lens[i]);
			assert_int_equal(stored.len, lz4frame_stored_len(lens[i]));
			assert_true(packed.len <= stored.len);
			/* The bytes depend on the content, not on how it came. */
			if (k == 0)
				buf_append(&first, packed.data, packed.len);
			assert_int_equal(packed.len, first.len);
			assert_memory_equal(packed.data, first.data, first.len);
		}
	}
}

static void test_lz4frame_shrinks_text_and_stores_noise(void **state)
{
	(void)state;
	struct lz4frame *f CLEANUP(lz4frame_freep) = lz4frame_new();
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	uint8_t *data CLEANUP_FREE = content(4 * MIB);
	write_frame(f, data, 4 * MIB, MIB, false, &b);
	assert_true(b.len > 2 * MIB && b.len < 2 * MIB + 65536);
}

static void test_lz4frame_refuses_another_length(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct lz4frame *f CLEANUP(lz4frame_freep) = lz4frame_new();
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	const struct sparse_sink sink = { to_buf, &b };
	const uint8_t data[8] = { 0 };
	assert_int_equal(lz4frame_begin(f, &sink, 7, false, d), 0);
	assert_int_equal(lz4frame_write(f, data, 8, d), -1);
	assert_int_equal(lz4frame_write(f, data, 6, d), 0);
	assert_int_equal(lz4frame_end(f, d), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lz4frame_is_read_by_liblz4),
		cmocka_unit_test(test_lz4frame_shrinks_text_and_stores_noise),
		cmocka_unit_test(test_lz4frame_refuses_another_length),
	};
	return cmocka_run_group_tests_name("lz4frame", tests, NULL, NULL);
}

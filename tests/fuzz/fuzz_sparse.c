/* Sparse images of any arrangement of holes, in any pieces: every piece has the planned length and all blocks are covered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/sparse/sparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct check {
	uint64_t len;
	uint8_t header[28];
};

static int count(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct check *c = ctx;
	(void)d;
	if (c->len < sizeof(c->header))
		memcpy(c->header + c->len, data, num_min(len, sizeof(c->header) - c->len));
	c->len += len;
	return 0;
}

static void write_piece(const struct sparse_plan *plan, size_t piece, uint64_t len, const uint8_t *bytes, uint64_t step, struct diag *d)
{
	struct check c = { 0 };
	const struct sparse_sink sink = { count, &c };
	struct sparse *s CLEANUP(sparse_freep) = sparse_new(plan, piece, &sink);
	for (uint64_t at = 0; at < len; at += step)
		if (sparse_add(s, bytes ? bytes + at : NULL, num_min(step, len - at), d) < 0)
			abort();
	if (sparse_end(s, d) < 0 || c.len != sparse_plan_len(plan, piece) || get_le32(c.header + 16) != len / SPARSE_BLOCK ||
	    get_le32(c.header + 20) != sparse_plan_chunks(plan, piece))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image_piece pieces[16];
	size_t pieces_count = 0;
	uint64_t at = 0;
	if (len < 4)
		return 0;
	const uint8_t flags = data[0];
	const uint64_t step = 257 + get_le16(data + 1) * 7u;
	for (size_t i = 3; i + 4 <= len && pieces_count < ARRAY_LEN(pieces); i += 4) {
		size_t n = get_le16(data + i + 2);
		struct image *img = image_mem(memset(mem_zeroed(1, n), data[i], n), n);
		at += get_le16(data + i);
		pieces[pieces_count++] = (struct image_piece){ img, at };
		at += n;
	}
	struct image *img CLEANUP(image_freep) = image_compose(at + (flags >> 4), pieces, pieces_count);
	for (size_t i = 0; i < pieces_count; i++)
		image_free(pieces[i].img);
	uint64_t total = align_up(image_len(img) + 1, SPARSE_BLOCK) + (flags & 8 ? 10 * SPARSE_BLOCK : 0);
	const struct sparse_opts opts = {
		.len = total, .fill = flags & 1, .scan = flags & 2, .limit = flags & 4 ? 64 * KIB + step % 5000 : 0
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	uint8_t *bytes CLEANUP_FREE = mem_zeroed(1, total);
	if (sparse_plan_new(img, &opts, &plan, d) < 0 || image_read(img, 0, bytes, image_len(img), d) < 0)
		abort();
	for (size_t i = 0; i < sparse_plan_pieces(plan); i++) {
		if (opts.limit && sparse_plan_len(plan, i) > opts.limit)
			abort();
		write_piece(plan, i, total, bytes, step, d);
	}
	return 0;
}

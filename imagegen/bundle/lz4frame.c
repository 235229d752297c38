#include "imagegen/bundle/lz4frame.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define MAGIC 0x184D2204u
#define FLAGS 0x6c      /* version 1, independent blocks, content size, content checksum */
#define BLOCK_SIZE 0x60 /* at most 1 MiB */
#define BLOCK MIB
#define RAW 0x80000000u /* in a block's size: it is stored */
#define HEADER_LEN 15u
#define END_LEN 8u /* no more blocks, checksum */
#define FAST 1     /* liblz4's normal speed */

struct lz4frame {
	struct sparse_sink sink;
	bool stored;
	uint64_t left;  /* of the content */
	uint8_t *block; /* of content that came in small pieces */
	size_t block_len;
	uint8_t *packed;
	void *state; /* liblz4's */
	XXH32_state_t *sum;
};

struct lz4frame *lz4frame_new(void)
{
	struct lz4frame *f = mem_new(struct lz4frame);
	f->block = mem_zeroed(1, BLOCK);
	f->packed = mem_zeroed(1, BLOCK);
	f->state = mem_zeroed(1, (size_t)LZ4_sizeofState());
	f->sum = XXH32_createState();
	if (!f->sum)
		abort();
	return f;
}

const char *lz4frame_version(void)
{
	return LZ4_versionString();
}

void lz4frame_free(struct lz4frame *f)
{
	if (!f)
		return;
	free(f->block);
	free(f->packed);
	free(f->state);
	(void)XXH32_freeState(f->sum);
	free(f);
}

static int put(struct lz4frame *f, const void *data, size_t len, struct diag *d)
{
	return f->sink.write(f->sink.ctx, data, len, d);
}

int lz4frame_begin(struct lz4frame *f, const struct sparse_sink *sink, uint64_t content_len, bool stored, struct diag *d)
{
	uint8_t h[HEADER_LEN];
	f->sink = *sink;
	f->stored = stored;
	f->left = content_len;
	f->block_len = 0;
	(void)XXH32_reset(f->sum, 0);
	put_le32(h, MAGIC);
	h[4] = FLAGS;
	h[5] = BLOCK_SIZE;
	put_le64(h + 6, content_len);
	h[14] = (uint8_t)(XXH32(h + 4, 10, 0) >> 8);
	return put(f, h, sizeof(h), d);
}

static int put_block(struct lz4frame *f, const uint8_t *data, size_t len, struct diag *d)
{
	uint8_t size[4];
	/* One byte less than the content: what does not shrink is stored. */
	int n = f->stored ? 0 : LZ4_compress_fast_extState(f->state, (const char *)data, (char *)f->packed, (int)len, (int)len - 1, FAST);
	put_le32(size, n > 0 ? (uint32_t)n : (uint32_t)len | RAW);
	if (put(f, size, sizeof(size), d) < 0)
		return -1;
	return n > 0 ? put(f, f->packed, (size_t)n, d) : put(f, data, len, d);
}

int lz4frame_write(struct lz4frame *f, const void *data, size_t len, struct diag *d)
{
	const uint8_t *p = data;
	if (len > f->left)
		return diag_fail(d, MVP0001, NULL, "an LZ4 frame got more data than was planned");
	f->left -= len;
	(void)XXH32_update(f->sum, p, len);
	while (len) {
		size_t n = (size_t)num_min(len, BLOCK - f->block_len);
		if (n == BLOCK) {
			if (put_block(f, p, BLOCK, d) < 0)
				return -1;
		} else {
			memcpy(f->block + f->block_len, p, n);
			f->block_len += n;
			if (f->block_len == BLOCK) {
				f->block_len = 0;
				if (put_block(f, f->block, BLOCK, d) < 0)
					return -1;
			}
		}
		p += n;
		len -= n;
	}
	return 0;
}

int lz4frame_end(struct lz4frame *f, struct diag *d)
{
	uint8_t end[END_LEN] = { 0 };
	if (f->left)
		return diag_fail(d, MVP0001, NULL, "an LZ4 frame got less data than was planned");
	if (f->block_len && put_block(f, f->block, f->block_len, d) < 0)
		return -1;
	put_le32(end + 4, XXH32_digest(f->sum));
	return put(f, end, sizeof(end), d);
}

uint64_t lz4frame_stored_len(uint64_t content_len)
{
	return HEADER_LEN + content_len + (content_len + BLOCK - 1) / BLOCK * 4 + END_LEN;
}

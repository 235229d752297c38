#include "imagegen/sparse/reader.h"

#include <errno.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/sparse/plan.h"

#define CHUNK_CRC32 0xCAC4
#define LEN_MAX ((uint64_t)1 << 46)
#define BLOCK_MAX ((uint32_t)1 << 20)

/* Bytes of the image that are data; what lies between runs is zeros. */
struct run {
	uint64_t at, len;
	uint64_t from;  /* in the file; of a fill NO_FILE */
	uint32_t value; /* of a fill, as its bytes stand in the file */
};
#define NO_FILE UINT64_MAX

struct expanded {
	struct image *file;
	struct run *runs; /* ascending */
	size_t count, cap;
	struct extent *extents; /* runs that touch are one */
	size_t extents_count, extents_cap;
	uint64_t len;
};

static void expanded_free(void *ctx)
{
	struct expanded *x = ctx;
	if (!x)
		return;
	image_free(x->file);
	free(x->runs);
	free(x->extents);
	free(x);
}
DEFINE_FREEP(void, expanded_free)

/* The first run that ends behind byte at. */
static size_t run_from(const struct expanded *x, uint64_t at)
{
	size_t low = 0, high = x->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->runs[mid].at + x->runs[mid].len <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Runs begin at multiples of 4, so that the pattern's phase is that of the image. */
static void fill(uint8_t *to, uint64_t at, size_t len, uint32_t value)
{
	uint8_t pattern[4];
	memcpy(pattern, &value, sizeof(pattern));
	for (size_t i = 0; i < len; i++)
		to[i] = pattern[(at + i) % 4];
}

static int expanded_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct expanded *x = ctx;
	uint8_t *to = buf;
	for (size_t i = run_from(x, at); len > 0; i++) {
		uint64_t start = i < x->count ? x->runs[i].at : x->len;
		if (start > at) {
			size_t gap = (size_t)num_min(len, start - at);
			memset(to, 0, gap);
			to += gap;
			at += gap;
			len -= gap;
		}
		if (len == 0 || i >= x->count)
			break;
		const struct run *r = &x->runs[i];
		size_t n = (size_t)num_min(len, r->at + r->len - at);
		if (r->from == NO_FILE)
			fill(to, at, n, r->value);
		else if (image_read(x->file, r->from + (at - r->at), to, n, d) < 0)
			return -1;
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

static struct extent expanded_extent(void *ctx, uint64_t at)
{
	const struct expanded *x = ctx;
	size_t low = 0, high = x->extents_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->extents[mid].at + x->extents[mid].len <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < x->extents_count && x->extents[low].at <= at)
		return x->extents[low];
	uint64_t start = low > 0 ? x->extents[low - 1].at + x->extents[low - 1].len : 0;
	uint64_t end = low < x->extents_count ? x->extents[low].at : x->len;
	return (struct extent){ .at = start, .len = end - start };
}

static const struct image_ops expanded_ops = { .read = expanded_read, .extent = expanded_extent, .free = expanded_free };

static void add_run(struct expanded *x, const struct run *r)
{
	struct run *last = x->count > 0 ? &x->runs[x->count - 1] : NULL;
	if (last && last->at + last->len == r->at) {
		x->extents[x->extents_count - 1].len += r->len;
	} else {
		mem_grow(&x->extents, x->extents_count, &x->extents_cap, sizeof(*x->extents));
		x->extents[x->extents_count++] = (struct extent){ .at = r->at, .len = r->len, .data = true };
	}
	if (last && last->at + last->len == r->at) {
		bool same_fill = last->from == NO_FILE && r->from == NO_FILE && last->value == r->value;
		bool same_file = last->from != NO_FILE && r->from != NO_FILE && last->from + last->len == r->from;
		if (same_fill || same_file) {
			last->len += r->len;
			return;
		}
	}
	mem_grow(&x->runs, x->count, &x->cap, sizeof(*x->runs));
	x->runs[x->count++] = *r;
}

struct header {
	uint32_t header_len, chunk_header_len, block, blocks, chunks;
};

static int damaged(const char *label, uint64_t at, const char *what, struct diag *d)
{
	return diag_fail(d, MVP0330, &LOC_AT(label, at), "%s", what);
}

static int read_header(const struct image *file, const char *label, struct header *ret, struct diag *d)
{
	uint8_t h[SPARSE_HEADER_LEN];
	if (image_len(file) < sizeof(h))
		return damaged(label, 0, "no sparse image: it is shorter than its header", d);
	if (image_read(file, 0, h, sizeof(h), d) < 0)
		return -1;
	if (!sparse_is(h, sizeof(h)))
		return damaged(label, 0, "no sparse image: its magic number is missing", d);
	*ret = (struct header){ get_le16(h + 8), get_le16(h + 10), get_le32(h + 12), get_le32(h + 16), get_le32(h + 20) };
	if (get_le16(h + 4) != 1 || ret->header_len < SPARSE_HEADER_LEN || ret->chunk_header_len < SPARSE_CHUNK_LEN)
		return damaged(label, 4, "the sparse image is of an unknown version", d);
	if (ret->block == 0 || ret->block % 4 != 0 || ret->block > BLOCK_MAX || (uint64_t)ret->blocks * ret->block > LEN_MAX)
		return damaged(label, 12, "the sparse image has blocks of a strange size, or is larger than 64 TiB", d);
	return 0;
}

/* The chunk at byte *at of the file, whose first block is *block; both move on. */
static int read_chunk(struct expanded *x, const char *label, const struct header *h, uint64_t *at, uint64_t *block, struct diag *d)
{
	uint8_t c[SPARSE_CHUNK_LEN], value[4];
	if (!num_inside(*at, h->chunk_header_len, image_len(x->file)))
		return damaged(label, *at, "the sparse image is cut off before the header of a chunk", d);
	if (image_read(x->file, *at, c, sizeof(c), d) < 0)
		return -1;
	uint16_t type = get_le16(c);
	uint32_t blocks = get_le32(c + 4), total = get_le32(c + 8);
	uint64_t len = (uint64_t)blocks * h->block, body = *at + h->chunk_header_len, body_len = total - (uint64_t)h->chunk_header_len;
	if (total < h->chunk_header_len || !num_inside(*at, total, image_len(x->file)))
		return damaged(label, *at + 8, "a chunk of the sparse image is cut off", d);
	if (type != CHUNK_CRC32 && blocks > h->blocks - *block)
		return damaged(label, *at + 4, "the chunks of the sparse image are more than its blocks", d);
	if (type == CHUNK_RAW ? body_len != len : type == CHUNK_DONT_CARE ? body_len != 0 : body_len != 4)
		return damaged(label, *at + 8, "a chunk of the sparse image has a size that does not fit its blocks", d);
	struct run run = { .at = *block * h->block, .len = len, .from = body };
	switch (type) {
	case CHUNK_RAW:
		if (len > 0)
			add_run(x, &run);
		break;
	case CHUNK_FILL:
		if (image_read(x->file, body, value, sizeof(value), d) < 0)
			return -1;
		memcpy(&run.value, value, sizeof(value));
		run.from = NO_FILE;
		if (run.value != 0 && len > 0)
			add_run(x, &run);
		break;
	case CHUNK_DONT_CARE:
		break;
	case CHUNK_CRC32:
		blocks = 0;
		break;
	default:
		return damaged(label, *at, "a chunk of the sparse image is of an unknown type", d);
	}
	*at += total;
	*block += blocks;
	return 0;
}

bool sparse_is(const uint8_t *head, size_t len)
{
	return len >= 4 && get_le32(head) == SPARSE_MAGIC;
}

int sparse_read(struct image *file, const char *label, struct image **ret_img, struct diag *d)
{
	struct header h = { 0 };
	if (read_header(file, label, &h, d) < 0)
		return -1;
	struct expanded *own = mem_new(struct expanded);
	void *x CLEANUP(expanded_freep) = own;
	own->file = image_ref(file);
	own->len = (uint64_t)h.blocks * h.block;
	uint64_t at = h.header_len, block = 0;
	for (uint32_t i = 0; i < h.chunks; i++)
		if (read_chunk(own, label, &h, &at, &block, d) < 0)
			return -1;
	if (block != h.blocks)
		return damaged(label, 16, "the chunks of the sparse image are fewer than its blocks", d);
	*ret_img = image_new(&expanded_ops, TAKE(x), own->len);
	return 0;
}

int sparse_open(const char *path, const struct loc *loc, struct image **ret_img, struct diag *d)
{
	struct image *file CLEANUP(image_freep) = NULL;
	uint8_t head[4] = { 0 };
	int r = image_open(path, &file);
	if (r < 0)
		return diag_fail(d, r == -ENOENT ? MVP0301 : MVP0302, loc, "the image '%s' cannot be read: %s", path, io_open_error(r));
	if (image_read(file, 0, head, (size_t)num_min(sizeof(head), image_len(file)), d) < 0)
		return -1;
	if (!sparse_is(head, sizeof(head))) {
		*ret_img = TAKE(file);
		return 0;
	}
	return sparse_read(file, path, ret_img, d);
}

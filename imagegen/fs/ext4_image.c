#include "imagegen/fs/ext4_image.h"

#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

struct parts {
	struct image *meta, *spool;
	struct ext4_piece *pieces;
	size_t pieces_count;
	struct extent *used;
	size_t used_count;
	uint64_t len;
};

static void parts_free(void *ctx)
{
	struct parts *p = ctx;
	image_free(p->meta);
	image_free(p->spool);
	free(p->pieces);
	free(p->used);
	free(p);
}

/* The first piece that ends after byte at; pieces_count if there is none. */
static size_t piece_after(const struct parts *p, uint64_t at)
{
	size_t low = 0, high = p->pieces_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->pieces[mid].at + p->pieces[mid].len <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int parts_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct parts *p = ctx;
	uint8_t *to = buf;
	size_t i = piece_after(p, at);
	while (len > 0) {
		const struct ext4_piece *piece = i < p->pieces_count ? &p->pieces[i] : NULL;
		size_t n;
		int r;
		if (piece && piece->at <= at) {
			n = (size_t)num_min(len, piece->at + piece->len - at);
			r = image_read(p->spool, piece->spool_at + (at - piece->at), to, n, d);
			i++;
		} else {
			n = piece ? (size_t)num_min(len, piece->at - at) : len;
			r = image_read(p->meta, at, to, n, d);
		}
		if (r < 0)
			return -1;
		at += n;
		to += n;
		len -= n;
	}
	return 0;
}

static struct extent parts_extent(void *ctx, uint64_t at)
{
	const struct parts *p = ctx;
	size_t low = 0, high = p->used_count;
	while (low < high) { /* the first extent that ends after at */
		size_t mid = low + (high - low) / 2;
		if (p->used[mid].at + p->used[mid].len <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < p->used_count && p->used[low].at <= at)
		return p->used[low];
	uint64_t start = low > 0 ? p->used[low - 1].at + p->used[low - 1].len : 0;
	uint64_t end = low < p->used_count ? p->used[low].at : p->len;
	return (struct extent){ .at = start, .len = end - start };
}

struct image *ext4_image(struct image *meta TAKES, struct image *spool, struct ext4_piece *pieces TAKES, size_t pieces_count,
			 struct extent *used TAKES, size_t used_count, uint64_t len)
{
	static const struct image_ops ops = { .read = parts_read, .extent = parts_extent, .free = parts_free };
	struct parts *p = mem_new(struct parts);
	*p = (struct parts){ meta, spool ? image_ref(spool) : NULL, pieces, pieces_count, used, used_count, len };
	return image_new(&ops, p, len);
}

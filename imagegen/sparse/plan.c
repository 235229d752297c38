#include "imagegen/sparse/plan.h"

#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define RAW_MAX ((uint32_t)(64 * MIB / SPARSE_BLOCK)) /* blocks of a raw chunk, as libsparse splits them */
#define SCAN_LEN MIB
#define LIMIT_MIN (64 * KIB)
/* What a piece needs besides its own chunks: the file's header and DONT_CARE before and behind. */
#define PIECE_OVERHEAD (SPARSE_HEADER_LEN + 2 * SPARSE_CHUNK_LEN)

void sparse_plan_free(struct sparse_plan *p)
{
	if (!p)
		return;
	free(p->chunks);
	free(p->pieces);
	free(p);
}

/* Appends blocks, joined to the last chunk where that is possible. */
static void add(struct sparse_plan *p, enum chunk_type type, uint64_t blocks, uint32_t value)
{
	struct chunk *last = p->chunks_count ? &p->chunks[p->chunks_count - 1] : NULL;
	uint32_t max = type == CHUNK_RAW ? RAW_MAX : UINT32_MAX;
	if (last && last->type == type && last->value == value && last->blocks < max) {
		uint32_t n = (uint32_t)num_min(blocks, max - last->blocks);
		last->blocks += n;
		blocks -= n;
	}
	while (blocks) {
		uint32_t n = (uint32_t)num_min(blocks, max);
		mem_grow(&p->chunks, p->chunks_count, &p->chunks_cap, sizeof(*p->chunks));
		p->chunks[p->chunks_count++] = (struct chunk){ .type = (uint16_t)type, .blocks = n, .value = value };
		blocks -= n;
	}
}

/* Is the block one 32-bit value over and over? The comparison with itself, shifted by one value, is as fast as memcmp. */
static bool constant(const uint8_t *block, uint32_t *ret_value)
{
	memcpy(ret_value, block, 4);
	return memcmp(block, block + 4, SPARSE_BLOCK - 4) == 0;
}

/* Data blocks [block, block + blocks), looked at one by one. */
static int add_scanned(struct sparse_plan *p, const struct image *img, uint64_t block, uint64_t blocks, uint8_t *buf, struct diag *d)
{
	while (blocks) {
		uint64_t n = num_min(blocks, SCAN_LEN / SPARSE_BLOCK);
		uint64_t inside = num_min(n * SPARSE_BLOCK, image_len(img) - block * SPARSE_BLOCK);
		if (image_read(img, block * SPARSE_BLOCK, buf, inside, d) < 0)
			return -1;
		memset(buf + inside, 0, n * SPARSE_BLOCK - inside);
		for (uint64_t i = 0; i < n; i++) {
			uint32_t value;
			if (constant(buf + i * SPARSE_BLOCK, &value))
				add(p, CHUNK_FILL, 1, value);
			else
				add(p, CHUNK_RAW, 1, 0);
		}
		block += n;
		blocks -= n;
	}
	return 0;
}

static int plan_chunks(struct sparse_plan *p, const struct image *img, const struct sparse_opts *opts, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = opts->scan ? mem_zeroed(1, SCAN_LEN) : NULL;
	enum chunk_type hole = opts->fill ? CHUNK_FILL : CHUNK_DONT_CARE;
	for (uint64_t block = 0; block < p->total;) {
		uint64_t at = block * SPARSE_BLOCK, n;
		if (at >= image_len(img)) {
			add(p, hole, p->total - block, 0);
			break;
		}
		struct extent e = image_extent(img, at);
		uint64_t end = e.at + e.len;
		/* A hole at the image's end goes on to the end of the partition. */
		n = !e.data && end == image_len(img) ? p->total - block : end / SPARSE_BLOCK - block;
		if (e.data || n == 0) {
			n = e.data ? (end + SPARSE_BLOCK - 1) / SPARSE_BLOCK - block : 1; /* a block that is only partly a hole is data */
			if (!opts->scan)
				add(p, CHUNK_RAW, n, 0);
			else if (add_scanned(p, img, block, n, buf, d) < 0)
				return -1;
		} else {
			add(p, hole, n, 0);
		}
		block += n;
	}
	return 0;
}

static struct piece *new_piece(struct sparse_plan *p, size_t first, uint64_t lead)
{
	mem_grow(&p->pieces, p->pieces_count, &p->pieces_cap, sizeof(*p->pieces));
	struct piece *piece = &p->pieces[p->pieces_count++];
	*piece = (struct piece){ .first = first, .lead = lead, .len = SPARSE_HEADER_LEN };
	return piece;
}

static void add_to_piece(struct piece *piece, const struct chunk *c)
{
	piece->count++;
	piece->blocks += c->blocks;
	piece->len += chunk_len(c);
}

/* Splits chunk i in two, the first with this many blocks. */
static void split_chunk(struct sparse_plan *p, size_t i, uint32_t blocks)
{
	mem_grow(&p->chunks, p->chunks_count, &p->chunks_cap, sizeof(*p->chunks));
	memmove(&p->chunks[i + 1], &p->chunks[i], (p->chunks_count - i) * sizeof(*p->chunks));
	p->chunks_count++;
	p->chunks[i].blocks = blocks;
	p->chunks[i + 1].blocks -= blocks;
}

/* Cuts the chunks into pieces below the limit, in place: a raw chunk is split where more than an eighth of the piece would stay empty. */
static void plan_pieces(struct sparse_plan *p, uint64_t limit)
{
	struct piece *piece = new_piece(p, 0, 0);
	uint64_t room = limit - PIECE_OVERHEAD, block = 0;
	for (size_t i = 0; i < p->chunks_count; i++) {
		uint64_t left = room - (piece->len - SPARSE_HEADER_LEN);
		if (chunk_len(&p->chunks[i]) > left) {
			uint64_t fit = left > SPARSE_CHUNK_LEN ? (left - SPARSE_CHUNK_LEN) / SPARSE_BLOCK : 0;
			bool splittable = p->chunks[i].type == CHUNK_RAW && fit && (left > limit / 8 || piece->count == 0);
			if (!splittable) {
				piece = new_piece(p, i, block);
				i--; /* once more, with an empty piece */
				continue;
			}
			split_chunk(p, i, (uint32_t)fit);
		}
		add_to_piece(piece, &p->chunks[i]);
		block += p->chunks[i].blocks;
	}
	for (size_t i = 0; i < p->pieces_count; i++) {
		struct piece *q = &p->pieces[i];
		q->len += (q->lead ? SPARSE_CHUNK_LEN : 0) + (q->lead + q->blocks < p->total ? SPARSE_CHUNK_LEN : 0);
	}
}

int sparse_plan_new(const struct image *img, const struct sparse_opts *opts, struct sparse_plan **ret_plan, struct diag *d)
{
	uint64_t len = opts->len, limit = opts->limit;
	if (len == 0 || len % SPARSE_BLOCK || len < image_len(img) || len / SPARSE_BLOCK > UINT32_MAX)
		return diag_fail(d, MVP0507, NULL,
				 "a sparse image of %llu bytes; expected a multiple of %zu from the content's %llu up to 16 TiB",
				 (unsigned long long)len, SPARSE_BLOCK, (unsigned long long)image_len(img));
	if (limit && limit < LIMIT_MIN)
		return diag_fail(d, MVP0507, NULL, "a limit of %llu bytes for a download; expected at least %llu",
				 (unsigned long long)limit, (unsigned long long)LIMIT_MIN);
	struct sparse_plan *p CLEANUP(sparse_plan_freep) = mem_new(struct sparse_plan);
	p->total = len / SPARSE_BLOCK;
	if (plan_chunks(p, img, opts, d) < 0)
		return -1;
	plan_pieces(p, limit ? limit : UINT64_MAX);
	*ret_plan = TAKE(p);
	return 0;
}

size_t sparse_plan_pieces(const struct sparse_plan *p)
{
	return p->pieces_count;
}

uint64_t sparse_plan_len(const struct sparse_plan *p, size_t piece)
{
	return p->pieces[piece].len;
}

uint32_t sparse_plan_chunks(const struct sparse_plan *p, size_t piece)
{
	const struct piece *q = &p->pieces[piece];
	return (uint32_t)(q->count + (q->lead ? 1 : 0) + (q->lead + q->blocks < p->total ? 1 : 0));
}

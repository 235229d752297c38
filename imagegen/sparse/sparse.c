#include "imagegen/sparse/sparse.h"

#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/sparse/plan.h"

struct sparse {
	const struct sparse_plan *plan;
	const struct piece *piece;
	struct sparse_sink sink;
	uint64_t at;       /* bytes of the image added */
	size_t chunk;      /* index of the chunk in the piece that byte at belongs to */
	uint64_t chunk_at; /* byte where that chunk starts */
	bool started;
};

struct sparse *sparse_new(const struct sparse_plan *plan, size_t piece, const struct sparse_sink *sink)
{
	struct sparse *s = mem_new(struct sparse);
	s->plan = plan;
	s->piece = &plan->pieces[piece];
	s->sink = *sink;
	s->chunk_at = s->piece->lead * SPARSE_BLOCK;
	return s;
}

void sparse_free(struct sparse *s)
{
	free(s);
}

static int put(struct sparse *s, const void *data, size_t len, struct diag *d)
{
	return s->sink.write(s->sink.ctx, data, len, d);
}

static int put_zeros(struct sparse *s, uint64_t len, struct diag *d)
{
	static const uint8_t zeros[65536];
	while (len) {
		size_t n = (size_t)num_min(len, sizeof(zeros));
		if (put(s, zeros, n, d) < 0)
			return -1;
		len -= n;
	}
	return 0;
}

void sparse_emit_header(const struct sparse_plan *p, size_t piece, uint8_t ret[SPARSE_HEADER_LEN])
{
	memset(ret, 0, SPARSE_HEADER_LEN);
	put_le32(ret, SPARSE_MAGIC);
	put_le16(ret + 4, 1); /* version 1.0 */
	put_le16(ret + 8, SPARSE_HEADER_LEN);
	put_le16(ret + 10, SPARSE_CHUNK_LEN);
	put_le32(ret + 12, SPARSE_BLOCK);
	put_le32(ret + 16, (uint32_t)p->total);
	put_le32(ret + 20, sparse_plan_chunks(p, piece));
}

size_t sparse_emit_chunk(const struct chunk *c, uint8_t ret[SPARSE_CHUNK_MAX])
{
	memset(ret, 0, SPARSE_CHUNK_MAX);
	put_le16(ret, c->type);
	put_le32(ret + 4, c->blocks);
	put_le32(ret + 8, (uint32_t)chunk_len(c)); /* at most 64 MiB + 12 */
	put_le32(ret + 12, c->value);
	return c->type == CHUNK_FILL ? SPARSE_CHUNK_MAX : SPARSE_CHUNK_LEN;
}

static int put_chunk(struct sparse *s, const struct chunk *c, struct diag *d)
{
	uint8_t h[SPARSE_CHUNK_MAX];
	size_t len = sparse_emit_chunk(c, h);
	return put(s, h, len, d);
}

static int put_dont_care(struct sparse *s, uint64_t blocks, struct diag *d)
{
	const struct chunk c = { .type = CHUNK_DONT_CARE, .blocks = (uint32_t)blocks };
	return blocks ? put_chunk(s, &c, d) : 0;
}

static int start(struct sparse *s, struct diag *d)
{
	uint8_t h[SPARSE_HEADER_LEN];
	s->started = true;
	sparse_emit_header(s->plan, (size_t)(s->piece - s->plan->pieces), h);
	return put(s, h, sizeof(h), d) < 0 ? -1 : put_dont_care(s, s->piece->lead, d);
}

/* len bytes at s->at, inside chunk c. */
static int add_to_chunk(struct sparse *s, const struct chunk *c, const uint8_t *data, uint64_t len, struct diag *d)
{
	if (s->at == s->chunk_at && put_chunk(s, c, d) < 0)
		return -1;
	if (c->type != CHUNK_RAW)
		return 0;
	return data ? put(s, data, (size_t)len, d) : put_zeros(s, len, d);
}

int sparse_add(struct sparse *s, const void *data, uint64_t len, struct diag *d)
{
	const uint8_t *p = data;
	uint64_t total = s->plan->total * SPARSE_BLOCK;
	if (!s->started && start(s, d) < 0)
		return -1;
	if (len > total - s->at)
		return diag_fail(d, MVP0001, NULL, "a sparse image got more data than was planned");
	while (len) {
		uint64_t n = len;
		if (s->at < s->chunk_at) {
			n = num_min(len, s->chunk_at - s->at); /* of an earlier piece */
		} else if (s->chunk < s->piece->count) {
			const struct chunk *c = &s->plan->chunks[s->piece->first + s->chunk];
			uint64_t end = s->chunk_at + c->blocks * SPARSE_BLOCK;
			n = num_min(len, end - s->at);
			if (add_to_chunk(s, c, p, n, d) < 0)
				return -1;
			if (s->at + n == end) {
				s->chunk++;
				s->chunk_at = end;
			}
		}
		s->at += n;
		len -= n;
		if (p)
			p += n;
	}
	return 0;
}

int sparse_end(struct sparse *s, struct diag *d)
{
	if (s->at != s->plan->total * SPARSE_BLOCK)
		return diag_fail(d, MVP0001, NULL, "a sparse image got less data than was planned");
	return put_dont_care(s, s->plan->total - s->piece->lead - s->piece->blocks, d);
}

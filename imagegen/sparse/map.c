#include "imagegen/sparse/map.h"

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/sparse/plan.h"

/* The content of a raw chunk. */
struct run {
	uint64_t at, len; /* bytes of the image */
	uint64_t file_at;
};

struct sparse_map {
	struct run *runs; /* ascending */
	size_t count, cap;
};

void sparse_map_free(struct sparse_map *m)
{
	if (!m)
		return;
	free(m->runs);
	free(m);
}

int sparse_map_new(const struct sparse_plan *plan, int (*frame)(void *ctx, const void *data, size_t len, uint64_t at, struct diag *d),
		   void *ctx, struct sparse_map **ret_map, struct diag *d)
{
	struct sparse_map *m CLEANUP(sparse_map_freep) = mem_new(struct sparse_map);
	uint8_t header[SPARSE_HEADER_LEN];
	uint64_t at = 0, file_at = sizeof(header);
	if (plan->pieces_count != 1)
		return diag_fail(d, MVP0001, NULL, "a sparse image in %zu pieces cannot be written out of order", plan->pieces_count);
	sparse_emit_header(plan, 0, header);
	if (frame(ctx, header, sizeof(header), 0, d) < 0)
		return -1;
	for (size_t i = 0; i < plan->chunks_count; i++) {
		const struct chunk *c = &plan->chunks[i];
		uint8_t h[SPARSE_CHUNK_MAX];
		size_t len = sparse_emit_chunk(c, h);
		if (frame(ctx, h, len, file_at, d) < 0)
			return -1;
		if (c->type == CHUNK_RAW) {
			mem_grow(&m->runs, m->count, &m->cap, sizeof(*m->runs));
			m->runs[m->count++] = (struct run){ .at = at, .len = c->blocks * SPARSE_BLOCK, .file_at = file_at + len };
		}
		at += c->blocks * SPARSE_BLOCK;
		file_at += chunk_len(c);
	}
	*ret_map = TAKE(m);
	return 0;
}

bool sparse_map_find(const struct sparse_map *m, uint64_t at, uint64_t len, uint64_t *ret_at, uint64_t *ret_len)
{
	size_t low = 0, high = m->count; /* the first run that ends behind at */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->runs[middle].at + m->runs[middle].len > at)
			high = middle;
		else
			low = middle + 1;
	}
	const struct run *r = low < m->count ? &m->runs[low] : NULL;
	if (!r || r->at > at) {
		*ret_len = r ? num_min(len, r->at - at) : len;
		return false;
	}
	*ret_at = r->file_at + (at - r->at);
	*ret_len = num_min(len, r->at + r->len - at);
	return true;
}

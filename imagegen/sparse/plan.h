/* What plan and writer share. Internal to imagegen/sparse. */
#ifndef IMAGEGEN_SPARSE_PLAN_H
#define IMAGEGEN_SPARSE_PLAN_H

#include "imagegen/sparse/sparse.h"

#define SPARSE_MAGIC 0xED26FF3A
#define SPARSE_HEADER_LEN 28u
#define SPARSE_CHUNK_LEN 12u
#define SPARSE_CHUNK_MAX (SPARSE_CHUNK_LEN + 4) /* with the value of a fill */

enum chunk_type { CHUNK_RAW = 0xCAC1, CHUNK_FILL = 0xCAC2, CHUNK_DONT_CARE = 0xCAC3 };

struct chunk {
	uint16_t type;
	uint32_t blocks; /* > 0 */
	uint32_t value;  /* of a fill */
};

struct piece {
	size_t first, count;   /* its chunks */
	uint64_t lead, blocks; /* blocks before its first chunk, and of its chunks */
	uint64_t len;          /* of the file */
};

struct sparse_plan {
	uint64_t total; /* blocks of the image */
	struct chunk *chunks;
	size_t chunks_count, chunks_cap;
	struct piece *pieces;
	size_t pieces_count, pieces_cap;
};

static inline uint64_t chunk_len(const struct chunk *c)
{
	if (c->type == CHUNK_RAW)
		return SPARSE_CHUNK_LEN + c->blocks * SPARSE_BLOCK;
	return c->type == CHUNK_FILL ? SPARSE_CHUNK_LEN + 4 : SPARSE_CHUNK_LEN;
}

void sparse_emit_header(const struct sparse_plan *p, size_t piece, uint8_t ret[SPARSE_HEADER_LEN]);
/* All of a chunk but its content. Returns its length. */
size_t sparse_emit_chunk(const struct chunk *c, uint8_t ret[SPARSE_CHUNK_MAX]);

#endif

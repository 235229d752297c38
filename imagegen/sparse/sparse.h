/* Android sparse image writer (AOSP libsparse sparse_format.h, version 1.0). A plan decides every chunk from the image's extents, so that
 * the length of the file is known before its first byte is written; then the data streams through. Raw chunks hold at most 64 MiB, there is
 * no CRC chunk and no image checksum (no reader checks them). */
#ifndef IMAGEGEN_SPARSE_H
#define IMAGEGEN_SPARSE_H

#include "imagegen/base/base.h"

#define SPARSE_BLOCK ((size_t)4096)

struct sparse_opts {
	uint64_t len; /* bytes of the expanded image: a multiple of SPARSE_BLOCK, at least image_len; what is behind the image is a hole */
	bool fill;    /* holes become FILL(0); else DONT_CARE, which leaves what the flash held before */
	bool scan;    /* also turn blocks of one repeated 32-bit value into FILL; reads all data once */
	uint64_t limit; /* files of at most this many bytes (a device's max-download-size), at least 64 KiB; 0: one file */
};

/* Chunks of one image, in one or more files ("pieces"). Each piece is a complete sparse image of the whole length; what belongs to other
 * pieces is DONT_CARE in it. Immutable. */
struct sparse_plan;
/* img is only used during the call. */
MUST_USE int sparse_plan_new(const struct image *img, const struct sparse_opts *opts, struct sparse_plan **ret_plan, struct diag *d);
void sparse_plan_free(struct sparse_plan *p);
DEFINE_FREEP(struct sparse_plan, sparse_plan_free)
size_t sparse_plan_pieces(const struct sparse_plan *p);
uint64_t sparse_plan_len(const struct sparse_plan *p, size_t piece);    /* bytes of that file */
uint32_t sparse_plan_chunks(const struct sparse_plan *p, size_t piece); /* total_chunks of that file */

/* Where the bytes go. */
struct sparse_sink {
	int (*write)(void *ctx, const void *data, size_t len, struct diag *d);
	void *ctx;
};

struct sparse; /* one piece being written; not thread-safe */
/* plan is borrowed and must outlive the result. */
struct sparse *sparse_new(const struct sparse_plan *plan, size_t piece, const struct sparse_sink *sink);
/* The image's bytes, in ascending order without gaps from 0; data NULL: zeros. What belongs to another piece is skipped. */
MUST_USE int sparse_add(struct sparse *s, const void *data, uint64_t len, struct diag *d);
MUST_USE int sparse_end(struct sparse *s, struct diag *d); /* writes the tail; the whole length must have been added */
void sparse_free(struct sparse *s);                        /* without sparse_end() the output is not a valid image */
DEFINE_FREEP(struct sparse, sparse_free)

#endif

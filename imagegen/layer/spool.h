/* The content spool: one unlinked file that receives the contents of all regular files of a tree, in the order they are read. Contents
 * start at multiples of 4096 and are padded with zeros, so that a file system can take its blocks from the spool without copying them. */
#ifndef IMAGEGEN_SPOOL_H
#define IMAGEGEN_SPOOL_H

#include "imagegen/base/base.h"

#define SPOOL_BLOCK 4096

/* Zeros that fill this many blocks or more are not stored: the file gets a hole there, whether or not its source had one. */
#define SPOOL_HOLE_BLOCKS 16

struct content_run {
	uint64_t at;       /* byte offset in the file, a multiple of 4096 */
	uint64_t len;      /* bytes, a multiple of 4096; the last run may reach beyond the file's end, with zeros */
	uint64_t spool_at; /* a multiple of 4096 */
};

struct content {
	uint64_t len;             /* bytes of the file */
	struct content_run *runs; /* ascending; what lies between is zeros */
	size_t runs_count;
	uint8_t digest[32]; /* SHA-256 of the runs' bytes, each followed by the run's at and len; the same for equal contents */
};
void content_fini(struct content *c);

struct spool;
MUST_USE int spool_new(const char *tmp_dir, struct spool **ret_s, struct diag *d);
void spool_free(struct spool *s);
DEFINE_FREEP(struct spool, spool_free)

/* One content at a time. Pieces come in ascending order; what is left out between them is zeros. label names the file in diagnostics. */
void spool_begin(struct spool *s);
MUST_USE int spool_put(struct spool *s, uint64_t at, const void *data, size_t len, const char *label, struct diag *d);
/* len: of the whole content, at least what was put; more means zeros at the end. */
MUST_USE int spool_end(struct spool *s, uint64_t len, const char *label, struct content *ret_content, struct diag *d);

/* Ends the spool: what was stored, as an image (NULL if nothing was). s accepts no more. */
MUST_USE int spool_finish(struct spool *s, struct image **ret_img, struct diag *d);

#endif

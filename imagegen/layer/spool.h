/* The content spool: one unlinked file that receives the contents of the regular files of a tree, in the order they are read, padded with
 * zeros to blocks, so that a file system can take its blocks from there without copying them. Of what already lies in a file that can be
 * read again, it keeps only the place. */
#ifndef IMAGEGEN_SPOOL_H
#define IMAGEGEN_SPOOL_H

#include "imagegen/base/base.h"

#define SPOOL_BLOCK 4096

/* Zeros that fill this many blocks or more are not stored: the file gets a hole there, whether or not its source had one. */
#define SPOOL_HOLE_BLOCKS 16

struct content_run {
	uint64_t at;       /* byte offset in the file, a multiple of 4096 */
	uint64_t len;      /* bytes, a multiple of 4096; the last run may reach beyond the file's end, with zeros */
	uint64_t spool_at; /* its place in the image that spool_finish() gives */
};

struct content {
	uint64_t len;             /* bytes of the file */
	struct content_run *runs; /* ascending; what lies between is zeros */
	size_t runs_count;        /* neighbours may touch, if their places do not */
	uint8_t digest[32];       /* SHA-256 of bytes that lie together, followed by their at and len; the same for equal contents */
};
void content_fini(struct content *c);

struct spool;
MUST_USE int spool_new(const char *tmp_dir, struct spool **ret_s, struct diag *d);
void spool_free(struct spool *s);
DEFINE_FREEP(struct spool, spool_free)

/* One content at a time. Pieces come in ascending order; what is left out between them is zeros. label names the file in diagnostics. */
void spool_begin(struct spool *s);
MUST_USE int spool_put(struct spool *s, uint64_t at, const void *data, size_t len, const char *label, struct diag *d);
/* The same, of data that lie at the place from as well and need no copy; SPOOL_NOWHERE: they do not. */
#define SPOOL_NOWHERE UINT64_MAX
MUST_USE int spool_refer(struct spool *s, uint64_t at, const void *data, size_t len, uint64_t from, const char *label, struct diag *d);
/* A file to refer to: the place of its first byte; SPOOL_NOWHERE if it is not one that can be read again. Who builds makes sure that it has
 * not changed when all is read. */
uint64_t spool_add_file(struct spool *s, int fd TAKES, const char *path);
/* len: of the whole content, at least what was put; more means zeros at the end. */
MUST_USE int spool_end(struct spool *s, uint64_t len, const char *label, struct content *ret_content, struct diag *d);

/* Ends the spool: what was stored, as an image of places (NULL if nothing was). s accepts no more. */
MUST_USE int spool_finish(struct spool *s, struct image **ret_img, struct diag *d);

#endif

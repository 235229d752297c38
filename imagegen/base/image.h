/* A read-only run of bytes with known data and hole extents: what persona disks, containers and partitions are composed of.
 * Images are immutable and reference counted; any thread may read. A hole reads as zeros and is never stored. */
#ifndef IMAGEGEN_IMAGE_H
#define IMAGEGEN_IMAGE_H

#include "imagegen/base/base.h"

struct extent {
	uint64_t at, len; /* bytes */
	bool data;        /* false: a hole */
};

/* A kind of image. ctx is the kind's own; read() gets ranges inside one data extent or spanning several, always inside the image. */
struct image_ops {
	int (*read)(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d);
	struct extent (*extent)(void *ctx, uint64_t at); /* the maximal extent holding byte at, inside [0, len) */
	void (*free)(void *ctx);
};

uint64_t image_len(const struct image *img);
/* Reads len bytes at byte at, which lie inside; -1 and a diagnostic on an I/O error, or if d says that nobody waits any more. */
MUST_USE int image_read(const struct image *img, uint64_t at, void *buf, size_t len, struct diag *d);
/* The extent that holds byte at (at < image_len). */
struct extent image_extent(const struct image *img, uint64_t at);

struct image *image_ref(struct image *img); /* returns img */
void image_free(struct image *img);         /* drops a reference; NULL is fine */
DEFINE_FREEP(struct image, image_free)

struct image *image_new(const struct image_ops *ops, void *ctx TAKES, uint64_t len);
struct image *image_hole(uint64_t len);
/* buf was got from malloc and is freed with the image. */
struct image *image_mem(void *buf TAKES, size_t len);
/* fd holds len bytes; extents (malloc'd, ascending, data ones only; gaps are holes) say what is written. label names it in diagnostics
 * (copied). */
struct image *image_fd(int fd TAKES, uint64_t len, struct extent *extents TAKES, size_t extents_count, const char *label);

/* The same where the file system says what was written. */
struct image *image_file(int fd TAKES, uint64_t len, const char *label);

/* The file or block device at path; its holes are found. 0 or -errno; -ENOTBLK: it is neither. */
MUST_USE int image_open(const char *path, struct image **ret_img);

/* Pieces placed at ascending, non-overlapping byte offsets; gaps are holes. Takes a reference of each piece's image itself. */
struct image_piece {
	struct image *img; /* borrowed */
	uint64_t at;
};
struct image *image_compose(uint64_t len, const struct image_piece *pieces, size_t pieces_count);

/* img without holes: its zeros are data, to be written wherever it goes. Takes a reference of img itself. */
struct image *image_solid(struct image *img);

/* Bytes [at, at + len) of img, which must lie inside it. Takes a reference of img itself. */
struct image *image_slice(struct image *img, uint64_t at, uint64_t len);

#endif

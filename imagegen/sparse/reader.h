/* Reading Android sparse images (AOSP libsparse sparse_format.h, version 1.x) as the image they describe. What such an image does not care
 * about reads as zeros and is a hole; CRC chunks are skipped, as by every reader (libsparse writes wrong ones). */
#ifndef IMAGEGEN_SPARSE_READER_H
#define IMAGEGEN_SPARSE_READER_H

#include "imagegen/base/diag.h"

bool sparse_is(const uint8_t *head, size_t len); /* does a file that begins so call itself a sparse image? */

/* file: the sparse file's bytes; a reference is taken. label names it in diagnostics (copied). */
MUST_USE int sparse_read(struct image *file, const char *label, struct image **ret_img, struct diag *d);

/* The image in the file at path: what a sparse image describes, or else the file itself. loc: where it was named. */
MUST_USE int sparse_open(const char *path, const struct loc *loc, struct image **ret_img, struct diag *d);

#endif

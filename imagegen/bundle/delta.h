/* Finding the blocks of a new image in an old one, wherever they were there. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_DELTA_H
#define IMAGEGEN_DELTA_H

#include "imagegen/base/base.h"

struct delta; /* not thread-safe */

/* old is borrowed and must outlive the result. Reads it once; memory is a 256th of its length. */
MUST_USE int delta_new(const struct image *old, struct delta **ret, struct diag *d);
void delta_free(struct delta *x); /* NULL is fine */
DEFINE_FREEP(struct delta, delta_free)
const uint8_t *delta_sha256(const struct delta *x); /* of the old image, 32 bytes */
/* Where old has this block of PAYLOAD_BLOCK bytes: behind the one found last if it can be, else at its own place, else anywhere. 1:
 * nowhere. */
MUST_USE int delta_find(struct delta *x, uint64_t block, const uint8_t *data, uint64_t *ret_block, struct diag *d);

#endif

/* Packed members that the cache keeps: compressing what has not changed would give the same bytes again. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_KEPT_H
#define IMAGEGEN_KEPT_H

#include "imagegen/base/base.h"
#include "imagegen/bundle/packer.h"

struct kept;
#define KEPT_NOTE_LEN 16 /* what else is to be known of it */

/* The member that part p's image of len bytes becomes; how: by what, in which version. NULL: p has no identity, or there is no cache. What
 * is not found is to be added. The cache must outlive the result. */
struct kept *kept_open(struct cache *cache, const struct bundle_part *p, uint64_t len, const char *how);
void kept_free(struct kept *k); /* NULL is fine */
DEFINE_FREEP(struct kept, kept_free)

bool kept_found(const struct kept *k); /* false of NULL */
/* Hands out all of what was found, in pieces, then its note. -1: fn failed, or the cache is damaged. */
MUST_USE int kept_read(struct kept *k, int (*fn)(void *ctx, const void *data, size_t len, struct diag *d), void *ctx,
		       uint8_t ret_note[KEPT_NOTE_LEN], struct diag *d);

/* What was not found; NULL is fine, and that it cannot be kept is no failure. */
void kept_add(struct kept *k, const void *data, size_t len);
void kept_end(struct kept *k, const uint8_t note[KEPT_NOTE_LEN]);

#endif

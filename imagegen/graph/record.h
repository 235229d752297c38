/* What a build remembers of its last run with the same outputs: what it read and what it made, so that a run that has nothing to do ends
 * without reading anything. Internal to imagegen/graph. */
#ifndef IMAGEGEN_RECORD_H
#define IMAGEGEN_RECORD_H

#include "imagegen/cache/cache.h"
#include "imagegen/cache/stamps.h"
#include "imagegen/graph/build.h"

struct record {
	struct stamps inputs, outputs;
	struct build_result result; /* without the memory layout */
};
void record_fini(struct record *r);
MUST_USE bool record_parse(const uint8_t *data, size_t len, struct record *ret); /* what record_put() keeps */

/* Which run it is: the same manifest with the same options into the same folder. */
void record_key(const struct manifest *m, const struct build_opts *o, uint8_t ret[CACHE_KEY_LEN]);
MUST_USE bool record_get(struct cache *c, const uint8_t key[CACHE_KEY_LEN], struct record *ret);
void record_put(struct cache *c, const uint8_t key[CACHE_KEY_LEN], const struct stamps *inputs, const struct build_result *r);
/* Files that every build of m depends on, besides what profiles and personas bring: keys, the hypervisor's sources, tools, this program. */
void record_stamp_common(const struct manifest *m, struct stamps *s);
void record_stamp_keys(const struct manifest *m, struct stamps *s); /* the manifest's key files and passcodes */
void record_stamp_self(struct stamps *s);                           /* this program */

#endif

/* Looking after the cache: what lies in it, checking all of it, making room. */
#ifndef IMAGEGEN_CACHE_LIST_H
#define IMAGEGEN_CACHE_LIST_H

#include "imagegen/cache/cache.h"

struct cache_entry {
	char *path, *kind, *name; /* name: the key in hexadecimal */
	uint64_t len;             /* bytes that the file takes on its disk */
	int64_t used;             /* seconds since 1970 */
};
struct cache_list {
	struct cache_entry *v; /* used longest ago first */
	size_t count, cap;
	uint64_t len;
};
/* Empty for a cache that keeps nothing. */
void cache_list(const struct cache *c, struct cache_list *ret);
void cache_list_fini(struct cache_list *l);

/* Removes what was used longest ago until the rest takes at most max_len bytes, and what dead runs left. */
struct cache_pruned {
	uint64_t removed_count, removed_len, kept_count, kept_len;
};
void cache_prune(struct cache *c, uint64_t max_len, struct cache_pruned *ret);
/* Is the entry what was put there? Reads all of it. */
MUST_USE bool cache_entry_intact(const struct cache_entry *e);
bool cache_entry_remove(const struct cache_entry *e);

/* The bound that builds keep it below: text ("20 GiB"), else $MVP_CACHE_SIZE (0: no bound), else 10 GiB. -1 and MVP0833 for no size. */
MUST_USE int cache_bound(const char *text, uint64_t *ret_len, struct diag *d);

#endif

/* The header of an entry's file. Internal to imagegen/cache. */
#ifndef IMAGEGEN_CACHE_ENTRY_H
#define IMAGEGEN_CACHE_ENTRY_H

#include "imagegen/cache/cache.h"

#define CACHE_HEADER_LEN 112

struct cache_header {
	char kind[16]; /* NUL-terminated */
	uint8_t key[CACHE_KEY_LEN];
	uint64_t len; /* bytes of the payload, which follows */
	uint8_t sum[32];
};

void cache_header_emit(const struct cache_header *h, uint8_t ret[CACHE_HEADER_LEN]);
bool cache_header_parse(const uint8_t bytes[CACHE_HEADER_LEN], struct cache_header *ret); /* false: not one of ours */

/* Is the file, whole in memory, an intact entry of that kind and key? */
MUST_USE bool cache_entry_valid(const uint8_t *file, size_t len, const char *kind, const uint8_t key[CACHE_KEY_LEN]);
void cache_set_damaged(struct cache *c);

/* Malloc'd; NULL for a cache that keeps nothing. */
char *cache_entry_path(const struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN]);

#endif

/* Entries that are images: written as they stream by, read as images again, of any size. Holes stay holes, and every MiB has a CRC that is
 * checked when it is read. */
#ifndef IMAGEGEN_CACHE_DISK_H
#define IMAGEGEN_CACHE_DISK_H

#include "imagegen/cache/cache.h"

#define CACHE_DISK "disk"

/* NULL if there is none. An entry that turns out to be damaged while it is read makes the reader fail with MVP0832, removes itself, and
 * sets cache_damaged(): then all is to be made anew. c must outlive the image. */
struct image *cache_disk_get(struct cache *c, const uint8_t key[CACHE_KEY_LEN]);
bool cache_damaged(const struct cache *c);

struct cache_disk; /* one being written */
/* The entry will read as img does, which is borrowed and must outlive the result; without one it is as long as what is added, all of it
 * data. NULL: not to be kept. */
struct cache_disk *cache_disk_new(struct cache *c, const uint8_t key[CACHE_KEY_LEN], const struct image *img);
/* Pieces in ascending order without gaps; data NULL: a hole. False: it could not be written, and will not be kept. */
MUST_USE bool cache_disk_add(struct cache_disk *w, const void *data, uint64_t len);
void cache_disk_end(struct cache_disk *w);
void cache_disk_free(struct cache_disk *w); /* without cache_disk_end() nothing is kept; NULL is fine */
DEFINE_FREEP(struct cache_disk, cache_disk_free)

/* Reads the whole entry. */
MUST_USE bool cache_disk_intact(const char *path, const uint8_t key[CACHE_KEY_LEN]);

#endif

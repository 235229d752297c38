/* The cache: what artifacts were made into, by the digest of what they are made from. Below $XDG_CACHE_HOME/mvp (else ~/.cache/mvp), one
 * file an entry. Several programs may use it at once: an entry appears complete or not at all, and is never changed. It is a convenience:
 * whatever is wrong with it, an artifact is made anew, and nothing fails.
 *
 * What may lie in it: only what the bundles of a build show, too. No key, no passcode, and of an encrypted disk its ciphertext only. Folder
 * and files are nevertheless for their owner alone (0700, 0600), and a folder that others could write to is not used. */
#ifndef IMAGEGEN_CACHE_H
#define IMAGEGEN_CACHE_H

#include "imagegen/base/base.h"

#define CACHE_KEY_LEN 32

struct cache; /* any thread may use it */

/* Never NULL: without a usable folder nothing is found and nothing kept. One that is there but cannot be used is warned of. */
struct cache *cache_open(struct diag *d);
/* One that keeps nothing. */
struct cache *cache_none(void);
void cache_free(struct cache *c);
DEFINE_FREEP(struct cache, cache_free)
const char *cache_path(const struct cache *c); /* its folder; NULL if there is none */

/* An entry's kind ("object") is a word of at most 15 lower-case letters and '-': the folder it lies in. A lookup that finds a damaged entry
 * removes it. */
MUST_USE bool cache_get(struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN], size_t max, uint8_t **ret_data,
			size_t *ret_len);
void cache_put(struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN], const void *data, size_t len);

#endif

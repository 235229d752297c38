#include "imagegen/bundle/kept.h"

#include <stdlib.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/cache/digest.h"
#include "imagegen/cache/disk.h"

struct kept {
	struct image *found;     /* the packed bytes, then the note; NULL: */
	struct cache_disk *made; /* NULL: it cannot be kept */
};

struct kept *kept_open(struct cache *cache, const struct bundle_part *p, uint64_t len, const char *how)
{
	struct digest *g CLEANUP(digest_freep) = NULL;
	uint8_t key[CACHE_KEY_LEN];
	if (!p->id || !cache || !cache_path(cache))
		return NULL;
	g = digest_new("mvp packed member 1");
	digest_str(g, "how", how);
	digest_add(g, "content", p->id, 32);
	digest_num(g, "partition", p->len);
	digest_num(g, "fill", p->fill);
	digest_num(g, "length", len);
	digest_get(g, key);
	struct kept *k = mem_new(struct kept);
	k->found = cache_disk_get(cache, key);
	if (k->found && image_len(k->found) < KEPT_NOTE_LEN) {
		image_free(k->found);
		k->found = NULL;
	}
	if (!k->found)
		k->made = cache_disk_new(cache, key, NULL);
	return k;
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	image_free(k->found);
	cache_disk_free(k->made);
	free(k);
}

bool kept_found(const struct kept *k)
{
	return k && k->found;
}

int kept_read(struct kept *k, int (*fn)(void *ctx, const void *data, size_t len, struct diag *d), void *ctx,
	      uint8_t ret_note[KEPT_NOTE_LEN], struct diag *d)
{
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, MIB);
	uint64_t len = image_len(k->found) - KEPT_NOTE_LEN;
	for (uint64_t at = 0; at < len;) {
		size_t n = (size_t)num_min(len - at, MIB);
		if (image_read(k->found, at, piece, n, d) < 0 || fn(ctx, piece, n, d) < 0)
			return -1;
		at += n;
	}
	return image_read(k->found, len, ret_note, KEPT_NOTE_LEN, d);
}

void kept_add(struct kept *k, const void *data, size_t len)
{
	if (k && k->made && !cache_disk_add(k->made, data, len)) {
		cache_disk_free(k->made);
		k->made = NULL;
	}
}

void kept_end(struct kept *k, const uint8_t note[KEPT_NOTE_LEN])
{
	kept_add(k, note, KEPT_NOTE_LEN);
	if (k && k->made)
		cache_disk_end(k->made);
}

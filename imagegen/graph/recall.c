#include "imagegen/graph/recall.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/cache/digest.h"
#include "imagegen/cache/disk.h"
#include "imagegen/cache/fields.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/graph/record.h"
#include "imagegen/hyp/board.h"

enum { RECIPE_MAX = 256 << 20 };
#define KIND "recipe"

void recall_fini(struct recall *r)
{
	free(r->why);
	*r = (struct recall){ 0 };
}

/* Sections of the manifest that no persona's partition is made from. All others are taken to matter, whatever they are. */
static bool is_of_others(const char *section, const struct persona *p)
{
	static const char *const others[] = { "name", "version", "oem", "carrier", "hypervisor", "policy" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(section, others[i]))
			return true;
	return !strncmp(section, "personas.", 9) && strcmp(section + 9, p->name);
}

static void find_key(const struct manifest *m, const struct persona *p, const struct persona_opts *opts, uint8_t ret[CACHE_KEY_LEN])
{
	static const uint8_t context[32];
	uint8_t tag[32];
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp persona recipe 1");
	/* The master key itself is hashed nowhere that is kept. */
	derive(opts->master, context, "mvp cache", tag, sizeof(tag));
	digest_add(g, "master", tag, sizeof(tag));
	digest_str(g, "persona", p->name);
	digest_num(g, "epoch", (uint64_t)opts->epoch);
	digest_str(g, "data", datadir());
	digest_str(g, "folder", m->dir);
	for (size_t i = 0; i < m->sections_count; i++)
		if (!is_of_others(m->sections[i].name, p))
			digest_add(g, m->sections[i].name, m->sections[i].digest, sizeof(m->sections[i].digest));
	/* By its name: with a carrier, p is a copy and none of m's. */
	bool personal = !strcmp(p->name, m->personas[PERSONA_PERSONAL].name);
	size_t index = personal ? PERSONA_PERSONAL : PERSONA_WORK;
	/* A token's key is no file that could be seen to change. */
	digest_num(g, "signed", opts->trust->hyp.persona[index].verified);
	digest_add(g, "key", opts->trust->hyp.persona[index].avb_key_digest, 32);
	/* A carrier is no section's whole: --carrier may name another, and its file may change. */
	if (personal)
		digest_add(g, "carrier", opts->overlay, sizeof(opts->overlay));
	digest_get(g, ret);
}

/* Inputs that personas do not name themselves. */
static void stamp_own(const struct manifest *m, const struct persona_opts *opts, struct stamps *s)
{
	stamps_add(s, opts->board->path, true);
	record_stamp_keys(m, s);
	record_stamp_self(s);
}

static void disk_key(const struct recall *r, const struct persona_disk *pd, const struct image *img, uint8_t ret[CACHE_KEY_LEN])
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp persona partition 1");
	struct buf b CLEANUP(buf_fini) = BUF_MAX(RECIPE_MAX);
	stamps_emit(&pd->inputs, &b);
	digest_add(g, "recipe", r->key, sizeof(r->key));
	digest_add(g, "content", pd->digest, sizeof(pd->digest));
	digest_add(g, "inputs", b.data, b.len);
	digest_num(g, "length", image_len(img));
	digest_get(g, ret);
}

static bool read_recipe(struct cache *c, const uint8_t key[CACHE_KEY_LEN], struct persona_disk *pd, uint8_t ret_disk[CACHE_KEY_LEN])
{
	uint8_t *data CLEANUP_FREE = NULL;
	const uint8_t *at, *digest, *disk;
	size_t len;
	if (!cache_get(c, KIND, key, RECIPE_MAX, &data, &len))
		return false;
	at = data;
	if (!fields_take(&at, &len, sizeof(pd->digest), &digest) || !fields_take(&at, &len, CACHE_KEY_LEN, &disk) ||
	    !stamps_parse(&at, &len, &pd->inputs))
		return false;
	memcpy(pd->digest, digest, sizeof(pd->digest));
	memcpy(ret_disk, disk, CACHE_KEY_LEN);
	return true;
}

bool recall_find(struct cache *c, const struct manifest *m, const struct persona *p, const struct persona_opts *opts, struct recall *r,
		 struct persona_disk *pd, struct image **ret_img)
{
	struct persona_disk known CLEANUP(persona_disk_fini) = { 0 };
	uint8_t disk[CACHE_KEY_LEN];
	find_key(m, p, opts, r->key);
	if (!read_recipe(c, r->key, &known, disk)) {
		r->why = mem_strdup("nothing is known of an earlier one with these options and keys");
		return false;
	}
	const struct stamp *changed = stamps_changed(&known.inputs, false);
	if (changed) {
		r->why = mem_printf("'%s' has changed", changed->path);
		return false;
	}
	*ret_img = cache_disk_get(c, disk);
	if (!*ret_img) {
		r->why = mem_strdup("it is no longer in the cache");
		return false;
	}
	memcpy(r->id, disk, sizeof(r->id));
	r->identified = true;
	*pd = known;
	known = (struct persona_disk){ 0 };
	return true;
}

void recall_stamp(const struct manifest *m, const struct persona_opts *opts, struct persona_disk *pd)
{
	stamp_own(m, opts, &pd->inputs);
}

/* Of the cache's bound a single partition may take no more than this part. */
enum { KEPT_SHARE = 4 };

static void warn_of_size(const struct recall_job *j, const char *name, uint64_t len, struct diag *d)
{
	char has[TEXT_SIZE_LEN], most[TEXT_SIZE_LEN];
	unsigned long long gibs = align_up(len, GIB) / GIB * KEPT_SHARE;
	diag_warn(d, MVP0835, NULL, "the partition of '%s' takes %s, and the cache keeps none above %s: each build makes it anew", name,
		  text_size(len, has), text_size(j->bound / KEPT_SHARE, most));
	diag_hint(d, "raise the cache's bound: MVP_CACHE_SIZE='%llu GiB'", gibs);
}

void recall_add(struct recall_job *j, const char *name, struct image *img, struct recall *r, const struct persona_disk *pd, struct diag *d)
{
	uint64_t data = 0;
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		data += e.data ? e.len : 0;
		at = e.at + e.len;
	}
	if (!cache_path(j->cache))
		return;
	if (data > j->bound / KEPT_SHARE) {
		warn_of_size(j, name, data, d);
		return;
	}
	/* What is young cannot be recognised later. */
	for (size_t i = 0; i < pd->inputs.count; i++)
		if (pd->inputs.v[i].young)
			return;
	disk_key(r, pd, img, r->id);
	r->identified = true;
	if (!j->parts)
		j->parts = mem_array(struct bundle_part, PERSONA_MAX);
	j->from[j->bundle.parts_count] = (struct recall_part){ .recall = r, .disk = pd };
	j->parts[j->bundle.parts_count] = (struct bundle_part){ .name = name, .img = img, .len = align_up(image_len(img), 4096) };
	j->bundle.parts = j->parts;
	j->bundle.parts_count++;
}

void recall_job_fini(struct recall_job *j)
{
	free(j->parts);
	*j = (struct recall_job){ 0 };
}

struct keeper {
	const struct recall_job *job;
	struct cache_disk *parts[PERSONA_MAX];
	bool failed[PERSONA_MAX];
};

static int keep_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	(void)d;
	struct keeper *k = mem_new(struct keeper);
	k->job = (const struct recall_job *)(const void *)((const char *)b - offsetof(struct recall_job, bundle));
	for (size_t i = 0; i < b->parts_count; i++) {
		const struct recall_part *from = &k->job->from[i];
		k->parts[i] = cache_disk_new(k->job->cache, from->recall->id, b->parts[i].img);
		k->failed[i] = !k->parts[i];
	}
	*ret_state = k;
	return 0;
}

/* A full cache is no reason for a build to fail. */
static int keep_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct keeper *k = state;
	(void)at;
	(void)d;
	if (!k->failed[part] && !cache_disk_add(k->parts[part], data, len))
		k->failed[part] = true;
	return 0;
}

static void keep_recipe(const struct keeper *k, size_t part)
{
	const struct recall_part *from = &k->job->from[part];
	struct buf b CLEANUP(buf_fini) = BUF_MAX(RECIPE_MAX);
	buf_append(&b, from->disk->digest, sizeof(from->disk->digest));
	buf_append(&b, from->recall->id, CACHE_KEY_LEN);
	stamps_emit(&from->disk->inputs, &b);
	if (!buf_error(&b))
		cache_put(k->job->cache, KIND, from->recall->key, b.data, b.len);
}

static int keep_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct keeper *k = state;
	(void)outputs;
	(void)d;
	for (size_t i = 0; i < k->job->bundle.parts_count; i++) {
		if (k->failed[i])
			continue;
		cache_disk_end(k->parts[i]);
		keep_recipe(k, i);
	}
	return 0;
}

static int keep_publish(void *state, struct diag *d)
{
	(void)state;
	(void)d;
	return 0;
}

static void keep_free(void *state)
{
	struct keeper *k = state;
	if (!k)
		return;
	for (size_t i = 0; i < PERSONA_MAX; i++)
		cache_disk_free(k->parts[i]);
	free(k);
}

const struct packer recall_packer = {
	.name = "cache",
	.summary = "partitions for the next build",
	.plan = keep_plan,
	.write = keep_write,
	.finish = keep_finish,
	.publish = keep_publish,
	.free = keep_free,
};

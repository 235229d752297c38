#include "imagegen/bundle/prefix.h"

#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/follow.h"
#include "imagegen/cache/cache.h"
#include "imagegen/cache/digest.h"
#include "imagegen/zip/zip.h"

#define KIND "digest"
#define STATE_LEN (8 + 4 + FOLLOW_MD5_LEN + FOLLOW_SHA256_LEN) /* place, CRC-32, both digests */

/* A place behind a member, and what identifies all before it. */
struct place {
	uint8_t key[CACHE_KEY_LEN];
	uint64_t at;
	uint32_t crc;
	struct follow_state state; /* of a known one */
};

struct prefix {
	struct cache *cache;
	struct follow *sums;
	uint64_t at;
	uint32_t crc;              /* of what is before the open member */
	bool in_member;            /* its content is being put: */
	uint32_t member_crc;       /* of it */
	uint64_t member_len;       /* bytes of it */
	uint8_t id[CACHE_KEY_LEN]; /* of all up to here */
	bool identified;           /* there is one */
	bool known;                /* next is what an earlier build kept */
	struct place next;         /* behind the open member */
	struct place made[FOLLOW_MARKS];
	size_t made_count;
};

struct prefix *prefix_new(int fd, struct cache *cache)
{
	struct prefix *p = mem_new(struct prefix);
	p->cache = cache && cache_path(cache) ? cache : NULL;
	p->sums = follow_new(fd);
	p->identified = true;
	return p;
}

void prefix_free(struct prefix *p)
{
	if (!p)
		return;
	follow_free(p->sums);
	free(p);
}

void prefix_put(struct prefix *p, const void *data, size_t len)
{
	uint32_t *crc = p->in_member ? &p->member_crc : &p->crc;
	*crc = crc32_gzip_refl(*crc, data, len);
	p->member_len += p->in_member ? len : 0;
	p->at += len;
}

void prefix_name(struct prefix *p, const void *data, size_t len)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp archive 1");
	digest_add(g, "before", p->id, sizeof(p->id));
	digest_add(g, "bytes", data, len);
	digest_get(g, p->id);
}

static void identify(struct prefix *p, const struct prefix_member *m)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp archive member 1");
	digest_add(g, "before", p->id, sizeof(p->id));
	digest_add(g, "content", m->id, 32);
	digest_str(g, "name", m->name);
	digest_num(g, "length", m->len);
	digest_num(g, "stored", m->stored);
	digest_num(g, "time", (uint64_t)m->epoch);
	digest_get(g, p->id);
}

static bool find(struct prefix *p, struct place *ret)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	if (!cache_get(p->cache, KIND, ret->key, STATE_LEN, &data, &len) || len != STATE_LEN)
		return false;
	ret->at = ret->state.at = get_le64(data);
	ret->crc = get_le32(data + 8);
	memcpy(ret->state.words, data + 12, sizeof(ret->state.words));
	return true;
}

void prefix_begin(struct prefix *p, const struct prefix_member *m, size_t header_len)
{
	p->identified &= m->id != NULL;
	p->known = false;
	if (p->identified && p->cache) {
		identify(p, m);
		memcpy(p->next.key, p->id, sizeof(p->id));
		p->known = find(p, &p->next);
	}
	p->at += header_len;
	p->in_member = true;
	p->member_crc = 0;
	p->member_len = 0;
}

void prefix_front(struct prefix *p, const void *header, size_t len)
{
	p->crc = crc32_gzip_refl(p->crc, header, len);
}

static void settle(struct prefix *p)
{
	follow_to(p->sums, p->at);
}

void prefix_settle(struct prefix *p)
{
	if (!p->known) /* else it will not have to be hashed */
		settle(p);
}

void prefix_joined(struct prefix *p)
{
	p->crc = crc32_join(p->crc, p->member_crc, p->member_len);
	p->in_member = false;
}

void prefix_end(struct prefix *p)
{
	/* The identities say that it is the same; this says that it really is. */
	if (p->known && p->next.at == p->at && p->next.crc == p->crc && p->at % FOLLOW_BLOCK == 0) {
		follow_skip(p->sums, &p->next.state);
	} else if (p->identified && p->cache && p->made_count < FOLLOW_MARKS && p->at % FOLLOW_BLOCK == 0) {
		p->next.at = p->at;
		p->next.crc = p->crc;
		p->made[p->made_count++] = p->next;
		follow_mark(p->sums, p->at);
	}
	p->known = false;
	settle(p);
}

int prefix_md5(struct prefix *p, uint8_t ret[16])
{
	uint8_t sha256[FOLLOW_SHA256_LEN];
	settle(p);
	return follow_end(p->sums, p->at, ret, sha256);
}

static void keep(const struct prefix *p, const struct place *made)
{
	size_t count;
	const struct follow_state *all = follow_states(p->sums, &count);
	struct buf b CLEANUP(buf_fini) = BUF_MAX(STATE_LEN);
	for (size_t i = 0; i < count; i++) {
		if (all[i].at != made->at)
			continue;
		buf_le64(&b, made->at);
		buf_le32(&b, made->crc);
		buf_append(&b, all[i].words, sizeof(all[i].words));
		if (!buf_error(&b))
			cache_put(p->cache, KIND, made->key, b.data, b.len);
		return;
	}
}

int prefix_sha256(struct prefix *p, uint8_t ret[32])
{
	uint8_t md5[FOLLOW_MD5_LEN];
	int r = follow_end(p->sums, p->at, md5, ret);
	for (size_t i = 0; r == 0 && i < p->made_count; i++)
		keep(p, &p->made[i]);
	return r;
}

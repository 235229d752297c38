#include "imagegen/cache/entry.h"

#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/bytes.h"

#define MAGIC "mvpcache" /* 8 bytes, then the version of the format */
enum { VERSION = 1, KIND_AT = 16, KEY_AT = 32, LEN_AT = 64, SUM_AT = 72 };

void cache_header_emit(const struct cache_header *h, uint8_t ret[CACHE_HEADER_LEN])
{
	memset(ret, 0, CACHE_HEADER_LEN);
	memcpy(ret, MAGIC, strlen(MAGIC));
	put_le32(ret + 8, VERSION);
	memcpy(ret + KIND_AT, h->kind, sizeof(h->kind));
	memcpy(ret + KEY_AT, h->key, sizeof(h->key));
	put_le64(ret + LEN_AT, h->len);
	memcpy(ret + SUM_AT, h->sum, sizeof(h->sum));
}

bool cache_header_parse(const uint8_t bytes[CACHE_HEADER_LEN], struct cache_header *ret)
{
	struct cache_header h = { .len = get_le64(bytes + LEN_AT) };
	if (memcmp(bytes, MAGIC, strlen(MAGIC)) != 0 || get_le32(bytes + 8) != VERSION || bytes[KIND_AT + sizeof(h.kind) - 1] != 0)
		return false;
	memcpy(h.kind, bytes + KIND_AT, sizeof(h.kind));
	memcpy(h.key, bytes + KEY_AT, sizeof(h.key));
	memcpy(h.sum, bytes + SUM_AT, sizeof(h.sum));
	/* There is one way to write a header: what is reserved is zero, what is behind the kind's name, too. */
	uint8_t same[CACHE_HEADER_LEN];
	memset(h.kind + strlen(h.kind), 0, sizeof(h.kind) - strlen(h.kind));
	cache_header_emit(&h, same);
	if (memcmp(same, bytes, sizeof(same)) != 0)
		return false;
	*ret = h;
	return true;
}

bool cache_entry_valid(const uint8_t *file, size_t len, const char *kind, const uint8_t key[CACHE_KEY_LEN])
{
	struct cache_header h;
	uint8_t sum[SHA256_DIGEST_LENGTH];
	return len >= CACHE_HEADER_LEN && cache_header_parse(file, &h) && h.len == len - CACHE_HEADER_LEN && strcmp(h.kind, kind) == 0 &&
	       memcmp(h.key, key, CACHE_KEY_LEN) == 0 &&
	       memcmp(h.sum, SHA256(file + CACHE_HEADER_LEN, len - CACHE_HEADER_LEN, sum), sizeof(sum)) == 0;
}

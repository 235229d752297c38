#include "luks2.h"

bool luks2_check_binary(uint8_t *bin, uint64_t at, struct luks2_copy *ret_copy)
{
	static const uint8_t alg[32] = "sha256";
	struct mvp_luks2_header h;
	memcpy(&h, bin, sizeof(h));

	if (memcmp(h.magic, at ? MVP_LUKS2_MAGIC_2ND : MVP_LUKS2_MAGIC_1ST, MVP_LUKS2_MAGIC_LEN) != 0)
		return false;
	if (__builtin_bswap16(h.version) != MVP_LUKS2_VERSION || __builtin_bswap64(h.hdr_offset) != at)
		return false;
	uint64_t hdr_size = __builtin_bswap64(h.hdr_size);
	if (hdr_size < MVP_LUKS2_HDR_SIZE || hdr_size > MVP_LUKS2_HDR_SIZE_MAX || (hdr_size & (hdr_size - 1)) || (at && at != hdr_size))
		return false;
	/* Names end at the first NUL; what lies behind it is not ours to judge. */
	if (memcmp(h.checksum_alg, alg, 7) != 0)
		return false;

	ret_copy->hdr_size = hdr_size;
	ret_copy->seqid = __builtin_bswap64(h.seqid);
	memcpy(ret_copy->csum, h.csum, SHA256_LEN);
	memset(bin + MVP_LUKS2_CSUM_AT, 0, MVP_LUKS2_CSUM_LEN);
	return true;
}

static bool parse_salt(const struct json *j, uint32_t object, uint8_t salt[64], uint32_t *ret_len)
{
	int len = json_base64(j, json_member(j, object, "salt", JSON_STRING), salt, 64);
	if (len < 8)
		return false;
	*ret_len = (uint32_t)len;
	return true;
}

/* "hash" and "iterations" of a kdf or digest object. */
static bool parse_pbkdf2(const struct json *j, uint32_t object, uint32_t *ret_iterations)
{
	uint64_t n;
	if (!json_is(j, json_member(j, object, "type", JSON_STRING), "pbkdf2") ||
	    !json_is(j, json_member(j, object, "hash", JSON_STRING), "sha256"))
		return false;
	if (!json_uint(j, json_member(j, object, "iterations", JSON_NUMBER), false, MVP_LUKS2_ITERATIONS_MAX, &n) || !n)
		return false;
	*ret_iterations = (uint32_t)n;
	return true;
}

static bool lists(const struct json *j, uint32_t array, uint64_t number)
{
	if (array == JSON_NONE)
		return false;
	for (uint32_t i = json_first(j, array); i != JSON_NONE; i = json_next(j, array, i)) {
		uint64_t v;
		if (json_uint(j, i, true, UINT32_MAX, &v) && v == number)
			return true;
	}
	return false;
}

/* The digest that binds slot `number` to segment `segment`. */
static bool parse_digest(const struct json *j, uint32_t digests, uint64_t number, uint64_t segment, struct luks2_digest *ret)
{
	for (uint32_t i = json_first(j, digests); i != JSON_NONE; i = json_next(j, digests, i)) {
		if (!lists(j, json_member(j, i + 1, "keyslots", JSON_ARRAY), number) ||
		    !lists(j, json_member(j, i + 1, "segments", JSON_ARRAY), segment))
			continue;
		uint8_t digest[MVP_LUKS2_DIGEST_LEN];
		if (!parse_pbkdf2(j, i + 1, &ret->iterations) || !parse_salt(j, i + 1, ret->salt, &ret->salt_len) ||
		    json_base64(j, json_member(j, i + 1, "digest", JSON_STRING), digest, sizeof(digest)) != MVP_LUKS2_DIGEST_LEN)
			return false;
		memcpy(ret->digest, digest, sizeof(digest));
		return true;
	}
	return false;
}

static bool member_uint(const struct json *j, uint32_t object, const char *key, uint64_t *ret)
{
	return json_uint(j, json_member(j, object, key, JSON_NUMBER), false, UINT32_MAX, ret);
}

static bool member_uint64(const struct json *j, uint32_t object, const char *key, uint64_t *ret)
{
	return json_uint(j, json_member(j, object, key, JSON_STRING), true, UINT64_MAX, ret);
}

/* False for slots of kinds we cannot open (Argon2, other ciphers): they are passed over, not an error. */
static bool parse_slot(const struct json *j, uint32_t slot, struct luks2_keyslot *ret, uint64_t slots_from, uint64_t slots_to)
{
	uint64_t v;
	uint32_t area = json_member(j, slot, "area", JSON_OBJECT);
	uint32_t kdf = json_member(j, slot, "kdf", JSON_OBJECT);
	uint32_t af = json_member(j, slot, "af", JSON_OBJECT);

	if (!json_is(j, json_member(j, slot, "type", JSON_STRING), "luks2") || !member_uint(j, slot, "key_size", &v) ||
	    v != MVP_LUKS2_KEY_LEN)
		return false;
	if (!json_is(j, json_member(j, area, "type", JSON_STRING), "raw") ||
	    !json_is(j, json_member(j, area, "encryption", JSON_STRING), "aes-xts-plain64") || !member_uint(j, area, "key_size", &v) ||
	    v != MVP_LUKS2_KEY_LEN)
		return false;
	if (!member_uint64(j, area, "offset", &ret->area_at) || !member_uint64(j, area, "size", &ret->area_len))
		return false;
	if (ret->area_at < slots_from || !range_in(ret->area_at, ret->area_len, slots_to) || ret->area_at % MVP_LUKS2_SECTOR ||
	    ret->area_len < (uint64_t)MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES)
		return false;
	if (!json_is(j, json_member(j, af, "type", JSON_STRING), "luks1") ||
	    !json_is(j, json_member(j, af, "hash", JSON_STRING), "sha256") || !member_uint(j, af, "stripes", &v) || v != MVP_LUKS2_STRIPES)
		return false;
	return parse_pbkdf2(j, kdf, &ret->iterations) && parse_salt(j, kdf, ret->salt, &ret->salt_len);
}

static const char *parse_segment(const struct json *j, uint32_t segments, uint64_t container_len, struct luks2 *l, uint64_t *ret_number)
{
	uint32_t i = json_first(j, segments);
	if (i == JSON_NONE || json_next(j, segments, i) != JSON_NONE || !json_uint(j, i, true, UINT32_MAX, ret_number))
		return "the container has not exactly one segment";
	uint32_t segment = i + 1;
	uint32_t flags = json_member(j, segment, "flags", JSON_ARRAY);
	uint64_t sector_size;

	if (!json_is(j, json_member(j, segment, "type", JSON_STRING), "crypt") ||
	    !json_is(j, json_member(j, segment, "encryption", JSON_STRING), "aes-xts-plain64") ||
	    json_member(j, segment, "integrity", JSON_OBJECT) != JSON_NONE || json_first(j, flags) != JSON_NONE)
		return "the container's segment is not plain aes-xts-plain64";
	if (!member_uint(j, segment, "sector_size", &sector_size) || sector_size < SECTOR || sector_size > MVP_LUKS2_SECTOR ||
	    (sector_size & (sector_size - 1)))
		return "the container's sector size is not 512 to 4096";
	l->sector_size = (uint32_t)sector_size;
	if (!member_uint64(j, segment, "iv_tweak", &l->iv_tweak) || !member_uint64(j, segment, "offset", &l->payload_at))
		return "the container's segment has no offset or tweak";
	if (l->payload_at % MVP_LUKS2_SECTOR || l->payload_at >= container_len)
		return "the container's payload lies outside the partition";

	uint32_t size = json_member(j, segment, "size", JSON_STRING);
	if (json_is(j, size, "dynamic"))
		l->payload_len = (container_len - l->payload_at) & ~(sector_size - 1);
	else if (!json_uint(j, size, true, UINT64_MAX, &l->payload_len))
		return "the container's segment has no size";
	if (!l->payload_len || l->payload_len % sector_size || !range_in(l->payload_at, l->payload_len, container_len))
		return "the container's payload lies outside the partition";
	return NULL;
}

const char *luks2_parse(struct json *j, const char *text, size_t len, const struct luks2_copy *copy, uint64_t container_len,
			struct luks2 *ret_luks2)
{
	struct luks2 *l = ret_luks2;
	size_t text_len = 0;
	while (text_len < len && text[text_len])
		text_len++;
	memset(l, 0, sizeof(*l));
	if (text_len == len || !json_parse(j, text, text_len))
		return "the container's metadata is not sound JSON";

	uint32_t config = json_member(j, 0, "config", JSON_OBJECT);
	uint32_t keyslots = json_member(j, 0, "keyslots", JSON_OBJECT);
	uint32_t segments = json_member(j, 0, "segments", JSON_OBJECT);
	uint32_t digests = json_member(j, 0, "digests", JSON_OBJECT);
	uint64_t keyslots_size, number, segment;
	if (config == JSON_NONE || keyslots == JSON_NONE || segments == JSON_NONE || digests == JSON_NONE)
		return "the container's metadata lacks one of its objects";
	if (!member_uint64(j, config, "keyslots_size", &keyslots_size))
		return "the container's metadata has no size of its key slots";
	uint32_t requirements = json_member(j, config, "requirements", JSON_OBJECT);
	if (json_first(j, json_member(j, requirements, "mandatory", JSON_ARRAY)) != JSON_NONE)
		return "the container needs something this handset does not have";

	const char *wrong = parse_segment(j, segments, container_len, l, &segment);
	if (wrong)
		return wrong;
	/* Key slots lie between the header copies and the payload. hdr_size is at most 4 MiB. */
	uint64_t slots_from = 2 * copy->hdr_size;
	uint64_t slots_to = l->payload_at;
	if (slots_from >= slots_to)
		return "the container's payload overlaps its header";
	if (keyslots_size < slots_to - slots_from)
		slots_to = slots_from + keyslots_size;

	for (uint32_t i = json_first(j, keyslots); i != JSON_NONE && l->slots_count < LUKS2_SLOTS_MAX; i = json_next(j, keyslots, i)) {
		struct luks2_keyslot *slot = &l->slot[l->slots_count];
		if (!json_uint(j, i, true, UINT32_MAX, &number))
			return "the container has a key slot without a number";
		if (!parse_slot(j, i + 1, slot, slots_from, slots_to) ||
		    !parse_digest(j, digests, number, segment, &l->digest[l->slots_count]))
			continue;
		slot->number = (uint32_t)number;
		slot->digest = l->slots_count++;
	}
	return l->slots_count ? NULL : "the container has no key slot that a passcode can open here";
}

/* H1 of the merge: each 32-byte piece becomes SHA-256(big-endian piece number, piece). */
static void diffuse(uint8_t d[MVP_LUKS2_KEY_LEN])
{
	for (uint32_t i = 0; i < MVP_LUKS2_KEY_LEN / SHA256_LEN; i++) {
		struct sha256 s;
		uint8_t number[4];
		put_be32(number, i);
		sha256_init(&s);
		sha256_add(&s, number, sizeof(number));
		sha256_add(&s, d + (size_t)i * SHA256_LEN, SHA256_LEN);
		sha256_end(&s, d + (size_t)i * SHA256_LEN);
	}
}

bool luks2_merge_feed(struct luks2_merge *m, const uint8_t *data, size_t len)
{
	for (; len >= MVP_LUKS2_KEY_LEN && m->stripe < MVP_LUKS2_STRIPES; len -= MVP_LUKS2_KEY_LEN, data += MVP_LUKS2_KEY_LEN) {
		for (size_t i = 0; i < MVP_LUKS2_KEY_LEN; i++)
			m->d[i] ^= data[i];
		if (++m->stripe < MVP_LUKS2_STRIPES)
			diffuse(m->d);
	}
	return m->stripe == MVP_LUKS2_STRIPES;
}

#include "luks2.h"

#define LUKS2_TOKEN "mvp-passcode"

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

	ret_copy->at = at;
	ret_copy->hdr_size = hdr_size;
	memcpy(ret_copy->uuid, h.uuid, LUKS2_UUID_LEN);
	ret_copy->uuid[LUKS2_UUID_LEN] = 0;
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

static struct luks2_keyslot *slot_of(struct luks2 *l, uint64_t number)
{
	for (uint32_t i = 0; i < l->slots_count; i++) {
		if (l->slot[i].number == number)
			return &l->slot[i];
	}
	return NULL;
}

/* Tokens of ours say what each slot is for: then only those that take the passcode are kept. */
static const char *parse_tokens(const struct json *j, uint32_t tokens, struct luks2 *l)
{
	bool any = false;
	for (uint32_t i = json_first(j, tokens); i != JSON_NONE; i = json_next(j, tokens, i)) {
		if (!json_is(j, json_member(j, i + 1, "type", JSON_STRING), LUKS2_TOKEN))
			continue;
		uint32_t binding = json_member(j, i + 1, "binding", JSON_STRING), slots = json_member(j, i + 1, "keyslots", JSON_ARRAY);
		bool bound = json_is(j, binding, "device");
		if (slots == JSON_NONE || (!bound && !json_is(j, binding, "none")))
			return "the container binds its passcode in a way that is not known";
		any = true;
		for (uint32_t k = json_first(j, slots); k != JSON_NONE; k = json_next(j, slots, k)) {
			uint64_t number;
			struct luks2_keyslot *s = json_uint(j, k, true, UINT32_MAX, &number) ? slot_of(l, number) : NULL;
			if (s && s->passcode)
				return "the container says twice how its passcode is bound";
			if (s) {
				s->passcode = true;
				s->bound = bound;
			}
		}
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; any && i < l->slots_count; i++) {
		if (l->slot[i].passcode)
			l->slot[kept++] = l->slot[i];
	}
	if (any)
		l->slots_count = kept;
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
	memcpy(l->uuid, copy->uuid, sizeof(l->uuid));
	l->copy_at = copy->at;
	l->hdr_size = copy->hdr_size;
	l->seqid = copy->seqid;
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
	wrong = parse_tokens(j, json_member(j, 0, "tokens", JSON_OBJECT), l);
	if (wrong)
		return wrong;
	return l->slots_count ? NULL : "the container has no key slot that a passcode can open here";
}

/* Changes */

bool luks2_free_area(struct json *j, const char *text, size_t len, const struct luks2_copy *copy, const struct luks2 *l, uint64_t *ret_at)
{
	uint64_t size, keyslots_size, at, from, end = l->payload_at;
	if (!json_parse(j, text, len))
		return false;
	uint32_t keyslots = json_member(j, 0, "keyslots", JSON_OBJECT);
	if (!member_uint64(j, json_member(j, 0, "config", JSON_OBJECT), "keyslots_size", &keyslots_size))
		return false;
	if (keyslots_size < end - 2 * copy->hdr_size)
		end = 2 * copy->hdr_size + keyslots_size;
	for (at = 2 * copy->hdr_size; range_in(at, MVP_LUKS2_SLOT_AREA_LEN, end); at += MVP_LUKS2_SLOT_AREA_LEN) {
		bool taken = false;
		for (uint32_t i = json_first(j, keyslots); i != JSON_NONE; i = json_next(j, keyslots, i)) {
			uint32_t area = json_member(j, i + 1, "area", JSON_OBJECT);
			/* Whatever kind of slot: where it lies is said in the same way, or nobody knows what is free. */
			if (!member_uint64(j, area, "offset", &from) || !member_uint64(j, area, "size", &size))
				return false;
			taken |= size && from < at + MVP_LUKS2_SLOT_AREA_LEN && (from >= at || size > at - from);
		}
		if (!taken) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

static size_t put_base64(char *out, const uint8_t *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)data[i] << 16;
		bits |= have > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		bits |= have > 2 ? data[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			out[n++] = k <= have ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	return n;
}

/* A token's text is replaced. */
struct splice {
	uint32_t token;
	char text[48];
	size_t len;
};

/* The member "0", "1" ... of an object. */
static uint32_t numbered(const struct json *j, uint32_t object, uint32_t number)
{
	char key[12];
	text_format(key, sizeof(key), "%u", number);
	return json_member(j, object, key, JSON_OBJECT);
}

static uint32_t find_binding(const struct json *j, uint32_t number)
{
	uint32_t tokens = json_member(j, 0, "tokens", JSON_OBJECT);
	for (uint32_t i = json_first(j, tokens); i != JSON_NONE; i = json_next(j, tokens, i)) {
		if (json_is(j, json_member(j, i + 1, "type", JSON_STRING), LUKS2_TOKEN) &&
		    lists(j, json_member(j, i + 1, "keyslots", JSON_ARRAY), number))
			return json_member(j, i + 1, "binding", JSON_STRING);
	}
	return JSON_NONE;
}

/* Writes text with the splices, whatever their order in it. */
static bool put_spliced(const struct json *j, const char *text, size_t len, const struct splice *s, unsigned count, char *out, size_t size)
{
	size_t from = 0, to = 0;
	for (;;) {
		unsigned next = count;
		for (unsigned i = 0; i < count; i++) {
			if (j->token[s[i].token].at >= from && (next == count || j->token[s[i].token].at < j->token[s[next].token].at))
				next = i;
		}
		size_t until = next < count ? j->token[s[next].token].at : len;
		size_t more = next < count ? s[next].len : 0;
		if (until - from + more >= size - to)
			return false;
		memcpy(out + to, text + from, until - from);
		to += until - from;
		if (next == count)
			break;
		memcpy(out + to, s[next].text, more);
		to += more;
		from = until + j->token[s[next].token].len;
	}
	memset(out + to, 0, size - to);
	return true;
}

const char *luks2_edit(struct json *j, const char *text, size_t len, const struct luks2_change *change, char *out, size_t size)
{
	struct splice s[3];
	unsigned count = 2;
	if (!json_parse(j, text, len))
		return "the container's metadata is not sound JSON";
	uint32_t slot = numbered(j, json_member(j, 0, "keyslots", JSON_OBJECT), change->slot);
	s[0].token = json_member(j, json_member(j, slot, "kdf", JSON_OBJECT), "salt", JSON_STRING);
	s[0].len = put_base64(s[0].text, change->salt, sizeof(change->salt));
	s[1].token = json_member(j, json_member(j, slot, "area", JSON_OBJECT), "offset", JSON_STRING);
	s[1].len = text_format(s[1].text, sizeof(s[1].text), "%lu", (unsigned long)change->area_at);
	s[2].token = find_binding(j, change->slot);
	s[2].len = text_format(s[2].text, sizeof(s[2].text), "%s", change->bound ? "device" : "none");
	if (s[2].token != JSON_NONE)
		count = 3;
	else if (change->bound)
		return "the container does not say how its passcode is bound";
	if (s[0].token == JSON_NONE || s[1].token == JSON_NONE)
		return "the container has lost its key slot";
	return put_spliced(j, text, len, s, count, out, size) ? NULL : "the container's metadata has no room";
}

void luks2_seal(uint8_t *header, uint64_t hdr_size, uint64_t at, uint64_t seqid, const uint8_t salt[64])
{
	struct mvp_luks2_header h;
	struct sha256 s;
	memcpy(&h, header, sizeof(h));
	memcpy(h.magic, at ? MVP_LUKS2_MAGIC_2ND : MVP_LUKS2_MAGIC_1ST, MVP_LUKS2_MAGIC_LEN);
	h.seqid = __builtin_bswap64(seqid);
	h.hdr_offset = __builtin_bswap64(at);
	memcpy(h.salt, salt, sizeof(h.salt));
	memset(h.csum, 0, sizeof(h.csum));
	memcpy(header, &h, sizeof(h));
	sha256_init(&s);
	sha256_add(&s, header, hdr_size);
	sha256_end(&s, header + MVP_LUKS2_CSUM_AT);
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

void luks2_split_feed(struct luks2_split *s, const uint8_t key[MVP_LUKS2_KEY_LEN], uint8_t *data, size_t len)
{
	for (; len >= MVP_LUKS2_KEY_LEN && s->stripe < MVP_LUKS2_STRIPES; len -= MVP_LUKS2_KEY_LEN, data += MVP_LUKS2_KEY_LEN) {
		bool last = ++s->stripe == MVP_LUKS2_STRIPES;
		for (size_t i = 0; i < MVP_LUKS2_KEY_LEN; i++) {
			if (last)
				data[i] = s->d[i] ^ key[i];
			else
				s->d[i] ^= data[i];
		}
		if (!last)
			diffuse(s->d);
	}
}

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/crypt/luks2.h"
#include "mvp/luks2.h"

/* Reports that something in the header is not as the specification wants it. */
static int bad(const char *label, uint64_t at, const char *what, struct diag *d)
{
	struct loc loc = LOC_AT(label, at);
	return diag_fail(d, MVP0613, &loc, "not a LUKS2 container that can be used: %s", what);
}

bool luks2_is(const struct image *img)
{
	uint8_t magic[8];
	struct diag *d CLEANUP(diag_freep) = diag_new();
	return image_len(img) >= sizeof(magic) && image_read(img, 0, magic, sizeof(magic), d) == 0 &&
	       memcmp(magic, MVP_LUKS2_MAGIC_1ST "\0\2", sizeof(magic)) == 0;
}

/* A copied field is text up to its first NUL; what a terminal would interpret becomes '?'. */
static void copy_text(char *out, size_t out_size, const void *field, size_t field_len)
{
	const char *s = field;
	size_t n = strnlen(s, field_len < out_size ? field_len : out_size - 1);
	for (size_t i = 0; i < n; i++)
		out[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
	out[n] = 0;
}

static bool valid_hdr_size(uint64_t n)
{
	return n >= MVP_LUKS2_HDR_SIZE && n <= MVP_LUKS2_HDR_SIZE_MAX && (n & (n - 1)) == 0;
}

/* Reads one copy (malloc'd, followed by a NUL) if it has the right magic, place and checksum; *ret_copy stays NULL otherwise.
 * at 0 is the primary, anything else the secondary. -1 only for an I/O error. */
static int read_copy(const struct image *img, uint64_t at, uint8_t **ret_copy, uint64_t *ret_size, struct diag *d)
{
	struct mvp_luks2_header h;
	if (!num_inside(at, sizeof(h), image_len(img)))
		return 0;
	if (image_read(img, at, &h, sizeof(h), d) < 0)
		return -1;
	uint64_t size = be64toh(h.hdr_size);
	if (memcmp(h.magic, at ? MVP_LUKS2_MAGIC_2ND : MVP_LUKS2_MAGIC_1ST, MVP_LUKS2_MAGIC_LEN) != 0 ||
	    be16toh(h.version) != MVP_LUKS2_VERSION || !valid_hdr_size(size) || be64toh(h.hdr_offset) != at || (at && at != size) ||
	    !num_inside(at, size, image_len(img)) || strncmp((const char *)h.checksum_alg, "sha256", sizeof(h.checksum_alg)) != 0)
		return 0;
	uint8_t *copy CLEANUP_FREE = mem_zeroed(1, size + 1);
	if (image_read(img, at, copy, size, d) < 0)
		return -1;
	uint8_t sum[SHA256_DIGEST_LENGTH];
	memset(copy + MVP_LUKS2_CSUM_AT, 0, MVP_LUKS2_CSUM_LEN);
	SHA256(copy, size, sum);
	if (memcmp(sum, h.csum, sizeof(sum)) != 0)
		return 0;
	*ret_size = size;
	*ret_copy = TAKE(copy);
	return 0;
}

/* A string-uint64 of the specification: decimal digits in a JSON string. */
static bool json_u64_string(const json_t *v, uint64_t *ret)
{
	const char *s = json_string_value(v);
	if (!s || *s < '0' || *s > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long long n = strtoull(s, &end, 10);
	if (errno || *end)
		return false;
	*ret = n;
	return true;
}

static bool json_u64(const json_t *v, uint64_t *ret)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static const char *text_of(const json_t *v)
{
	const char *s = json_string_value(v);
	return s ? s : "?";
}

static int read_segment(const json_t *root, const char *label, struct luks2_info *info, struct diag *d)
{
	const json_t *segment = json_object_get(json_object_get(root, "segments"), "0");
	uint64_t sector_size;
	const char *cipher = json_string_value(json_object_get(segment, "encryption"));
	if (strcmp(text_of(json_object_get(segment, "type")), "crypt") != 0 || !cipher)
		return bad(label, MVP_LUKS2_BIN_SIZE, "segment 0 is not an encrypted one", d);
	if (!json_u64_string(json_object_get(segment, "offset"), &info->data_at) || info->data_at % 512)
		return bad(label, MVP_LUKS2_BIN_SIZE, "segment 0 has no valid offset", d);
	if (!json_u64(json_object_get(segment, "sector_size"), &sector_size) || sector_size < 512 || sector_size > 4096 ||
	    (sector_size & (sector_size - 1)))
		return bad(label, MVP_LUKS2_BIN_SIZE, "segment 0 has no valid sector_size", d);
	copy_text(info->cipher, sizeof(info->cipher), cipher, strlen(cipher));
	info->sector_size = (uint32_t)sector_size;
	return 0;
}

static int read_slots(const json_t *root, const char *label, struct luks2_info *info, struct diag *d)
{
	const char *id;
	json_t *slot;
	json_t *slots = json_object_get(root, "keyslots");
	if (!json_is_object(slots))
		return bad(label, MVP_LUKS2_BIN_SIZE, "the metadata lists no key slots", d);
	json_object_foreach(slots, id, slot)
	{
		const json_t *kdf = json_object_get(slot, "kdf");
		const char *type = text_of(json_object_get(kdf, "type"));
		uint64_t key_len, memory = 0, cost = 0;
		if (info->slots_count == ARRAY_LEN(info->slots))
			return bad(label, MVP_LUKS2_BIN_SIZE, "more than 32 key slots", d);
		bool pbkdf2 = strcmp(type, "pbkdf2") == 0;
		if (!json_u64(json_object_get(slot, "key_size"), &key_len) || key_len > 512 ||
		    !json_u64(json_object_get(kdf, pbkdf2 ? "iterations" : "time"), &cost) ||
		    (!pbkdf2 && !json_u64(json_object_get(kdf, "memory"), &memory)))
			return bad(label, MVP_LUKS2_BIN_SIZE, "a key slot lacks its key size or its cost", d);
		struct luks2_slot *s = &info->slots[info->slots_count++];
		copy_text(s->id, sizeof(s->id), id, strlen(id));
		copy_text(s->kdf, sizeof(s->kdf), type, strlen(type));
		s->cost = cost;
		s->memory_kib = memory;
		s->key_len = (uint32_t)key_len;
	}
	return 0;
}

int luks2_read_info(const struct image *img, const char *label, struct luks2_info *ret_info, struct diag *d)
{
	struct luks2_info info = { 0 };
	uint8_t *first CLEANUP_FREE = NULL;
	uint8_t *second CLEANUP_FREE = NULL;
	uint64_t first_size = 0, second_size = 0;
	if (read_copy(img, 0, &first, &first_size, d) < 0)
		return -1;
	/* Without a primary the secondary may be at any of the places that a header size allows. */
	for (uint64_t at = first ? first_size : MVP_LUKS2_HDR_SIZE; !second && at <= (first ? first_size : MVP_LUKS2_HDR_SIZE_MAX); at *= 2)
		if (read_copy(img, at, &second, &second_size, d) < 0)
			return -1;
	if (!first && !second)
		return bad(label, 0, "neither copy of the header is intact", d);

	info.copy_ok[0] = first;
	info.copy_ok[1] = second;
	const uint8_t *copy = first ? first : second;
	struct mvp_luks2_header h;
	memcpy(&h, copy, sizeof(h));
	info.hdr_size = first ? first_size : second_size;
	info.seqid = be64toh(h.seqid);
	copy_text(info.label, sizeof(info.label), h.label, sizeof(h.label));
	copy_text(info.uuid, sizeof(info.uuid), h.uuid, sizeof(h.uuid));

	const char *text = (const char *)copy + MVP_LUKS2_BIN_SIZE;
	json_t *root CLEANUP(json_decrefp) =
		json_loadb(text, strnlen(text, info.hdr_size - MVP_LUKS2_BIN_SIZE), JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root))
		return bad(label, MVP_LUKS2_BIN_SIZE, "the metadata is not a JSON object", d);
	if (read_segment(root, label, &info, d) < 0 || read_slots(root, label, &info, d) < 0)
		return -1;
	*ret_info = info;
	return 0;
}

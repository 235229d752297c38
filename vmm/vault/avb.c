#include "avb.h"

/* Sizes of what an algorithm makes. */
static const struct {
	uint32_t key_bits;
} algorithms[] = {
	[MVP_AVB_SHA256_RSA2048] = { 2048 },
	[MVP_AVB_SHA256_RSA4096] = { 4096 },
};

static const char not_sound[] = "its vbmeta is not sound";

/* All integers in the machine's order. */
static void take_header(const uint8_t *image, struct mvp_avb_header *ret)
{
	struct mvp_avb_header h;
	memcpy(&h, image, sizeof(h));
	ret->version_major = __builtin_bswap32(h.version_major);
	ret->version_minor = __builtin_bswap32(h.version_minor);
	ret->authentication_size = __builtin_bswap64(h.authentication_size);
	ret->auxiliary_size = __builtin_bswap64(h.auxiliary_size);
	ret->algorithm = __builtin_bswap32(h.algorithm);
	ret->hash_offset = __builtin_bswap64(h.hash_offset);
	ret->hash_size = __builtin_bswap64(h.hash_size);
	ret->signature_offset = __builtin_bswap64(h.signature_offset);
	ret->signature_size = __builtin_bswap64(h.signature_size);
	ret->key_offset = __builtin_bswap64(h.key_offset);
	ret->key_size = __builtin_bswap64(h.key_size);
	ret->key_metadata_offset = __builtin_bswap64(h.key_metadata_offset);
	ret->key_metadata_size = __builtin_bswap64(h.key_metadata_size);
	ret->descriptors_offset = __builtin_bswap64(h.descriptors_offset);
	ret->descriptors_size = __builtin_bswap64(h.descriptors_size);
	ret->rollback_index = __builtin_bswap64(h.rollback_index);
	ret->flags = __builtin_bswap32(h.flags);
}

/* Where everything lies, checked against the image's length. */
static bool places_are_sound(const struct mvp_avb_header *h, size_t len)
{
	if (h->authentication_size % MVP_AVB_BLOCK || h->auxiliary_size % MVP_AVB_BLOCK ||
	    !range_in(sizeof(*h), h->authentication_size, len) || !range_in(sizeof(*h) + h->authentication_size, h->auxiliary_size, len))
		return false;
	return range_in(h->hash_offset, h->hash_size, h->authentication_size) &&
	       range_in(h->signature_offset, h->signature_size, h->authentication_size) &&
	       range_in(h->key_offset, h->key_size, h->auxiliary_size) &&
	       range_in(h->key_metadata_offset, h->key_metadata_size, h->auxiliary_size) &&
	       range_in(h->descriptors_offset, h->descriptors_size, h->auxiliary_size);
}

const char *avb_read(const uint8_t *image, size_t len, const uint8_t key_digest[SHA256_LEN], struct avb *ret_avb)
{
	struct mvp_avb_header h;
	struct sha256 s;
	uint8_t digest[SHA256_LEN];
	if (len < sizeof(h) || len > MVP_AVB_VBMETA_MAX || memcmp(image, MVP_AVB_MAGIC, MVP_AVB_MAGIC_LEN) != 0)
		return "it has no vbmeta";
	take_header(image, &h);
	if (h.version_major != MVP_AVB_VERSION_MAJOR || h.version_minor > MVP_AVB_VERSION_MINOR)
		return "its vbmeta is of a version that is not known";
	if (!places_are_sound(&h, len))
		return not_sound;
	if (h.algorithm == MVP_AVB_NONE)
		return "its vbmeta is not signed";
	if (h.algorithm >= ARRAY_LEN(algorithms))
		return "its vbmeta is signed by an algorithm that is not known";
	uint32_t key_len = algorithms[h.algorithm].key_bits / 8;
	const uint8_t *authentication = image + sizeof(h), *auxiliary = authentication + h.authentication_size;
	const uint8_t *key = auxiliary + h.key_offset;
	if (h.hash_size != SHA256_LEN || h.signature_size != key_len || h.key_size != MVP_AVB_KEY_HEAD + 2 * (uint64_t)key_len ||
	    get_be32(key) != algorithms[h.algorithm].key_bits)
		return not_sound;

	sha256_init(&s);
	sha256_add(&s, key, h.key_size);
	sha256_end(&s, digest);
	if (memcmp(digest, key_digest, sizeof(digest)) != 0)
		return "its vbmeta is signed by another key";
	sha256_init(&s);
	sha256_add(&s, image, sizeof(h));
	sha256_add(&s, auxiliary, h.auxiliary_size);
	sha256_end(&s, ret_avb->digest);
	if (memcmp(ret_avb->digest, authentication + h.hash_offset, SHA256_LEN) != 0)
		return "its vbmeta was changed";
	/* A signer who says that nothing is to be verified is taken at his word: then there is nothing to start. */
	if (h.flags)
		return "its vbmeta forbids verification";

	ret_avb->auxiliary = auxiliary;
	ret_avb->descriptors_at = h.descriptors_offset;
	ret_avb->descriptors_len = h.descriptors_size;
	ret_avb->modulus = key + MVP_AVB_KEY_HEAD;
	ret_avb->modulus_len = key_len;
	ret_avb->signature = authentication + h.signature_offset;
	ret_avb->rollback_index = h.rollback_index;
	return NULL;
}

bool avb_verify_begin(const struct avb *a, struct rsa_verify *v)
{
	return rsa_verify_begin(v, a->modulus, a->modulus_len, a->signature, a->digest);
}

static bool is_text(const uint8_t *field, size_t size, const char *text)
{
	size_t len = text_len(text);
	return len <= size && !memcmp(field, text, len) && (len == size || !field[len]);
}

/* A hash descriptor of `size` bytes, head included. False if it is not sound. */
static bool take_hash(const uint8_t *at, uint64_t size, const char *partition, bool *ret_mine, struct avb_hash *ret)
{
	struct mvp_avb_hash_descriptor d;
	if (size < sizeof(d))
		return false;
	memcpy(&d, at, sizeof(d));
	uint64_t name_len = __builtin_bswap32(d.name_len), salt_len = __builtin_bswap32(d.salt_len);
	uint64_t digest_len = __builtin_bswap32(d.digest_len);
	/* Sums of 32-bit numbers. */
	if (name_len + salt_len + digest_len > size - sizeof(d))
		return false;
	const uint8_t *name = at + sizeof(d), *salt = name + name_len, *digest = salt + salt_len;
	*ret_mine = name_len == text_len(partition) && !memcmp(name, partition, name_len);
	if (!*ret_mine)
		return true;
	if (!is_text(d.algorithm, sizeof(d.algorithm), "sha256") || salt_len > AVB_SALT_MAX || digest_len != SHA256_LEN)
		return false;
	ret->image_size = __builtin_bswap64(d.image_size);
	ret->salt_len = (uint32_t)salt_len;
	memcpy(ret->salt, salt, salt_len);
	memcpy(ret->digest, digest, SHA256_LEN);
	return true;
}

const char *avb_find_hash(const struct avb *a, const char *partition, struct avb_hash *ret_hash)
{
	const uint8_t *p = a->auxiliary + a->descriptors_at;
	bool found = false;
	for (uint64_t left = a->descriptors_len; left;) {
		struct mvp_avb_descriptor d;
		if (left < sizeof(d))
			return not_sound;
		memcpy(&d, p, sizeof(d));
		uint64_t len = __builtin_bswap64(d.len);
		if (len % 8 || !range_in(sizeof(d), len, left))
			return not_sound;
		bool mine = false;
		if (__builtin_bswap64(d.tag) == MVP_AVB_TAG_HASH && !take_hash(p, sizeof(d) + len, partition, &mine, ret_hash))
			return not_sound;
		if (mine && found)
			return not_sound;
		found |= mine;
		p += sizeof(d) + len;
		left -= sizeof(d) + len;
	}
	return found ? NULL : "its vbmeta does not name its boot image";
}

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "imagegen/avb/avb_int.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

static int damaged(const char *label, uint64_t at, const char *what, struct diag *d)
{
	struct loc loc = LOC_AT(label, at);
	return diag_fail(d, MVP0642, &loc, "not a vbmeta image that can be read: %s", what);
}

/* A range of the header, inside a block of block_len bytes at block_at. */
static bool get_range(const uint8_t *p, uint64_t block_at, uint64_t block_len, uint64_t *ret_at, uint64_t *ret_len)
{
	uint64_t at = get_be64(p), len = get_be64(p + 8);
	if (!num_inside(at, len, block_len))
		return false;
	*ret_at = block_at + at;
	*ret_len = len;
	return true;
}

static bool expected_sizes(const struct avb_info *i)
{
	enum sign_hash hash;
	unsigned bits = avb_algorithm(i->algorithm, &hash);
	if (!bits)
		return i->algorithm == 0 && !i->hash_len && !i->signature_len;
	return i->hash_len == avb_digest_len(hash) && i->signature_len == bits / 8 && i->key_len == 8 + bits / 4;
}

int avb_read(const uint8_t *p, size_t len, const char *label, struct avb_info *ret, struct diag *d)
{
	struct avb_info i = { 0 };
	uint64_t total;
	if (len < AVB_HEADER_LEN || memcmp(p, AVB_MAGIC, 4) != 0)
		return damaged(label, 0, "it does not begin with a header", d);
	if (get_be32(p + AVB_AT_MAJOR) != 1)
		return damaged(label, AVB_AT_MAJOR, "it is of a version that is not known", d);
	i.auth_at = AVB_HEADER_LEN;
	i.auth_len = get_be64(p + AVB_AT_AUTH_LEN);
	i.aux_len = get_be64(p + AVB_AT_AUX_LEN);
	if (i.auth_len % AVB_UNIT || i.aux_len % AVB_UNIT || !num_add(i.auth_at, i.auth_len, &i.aux_at) ||
	    !num_add(i.aux_at, i.aux_len, &total) || total > len)
		return damaged(label, AVB_AT_AUTH_LEN, "its blocks do not fit into it", d);
	i.algorithm = get_be32(p + AVB_AT_ALGORITHM);
	if (!get_range(p + AVB_AT_HASH, i.auth_at, i.auth_len, &i.hash_at, &i.hash_len) ||
	    !get_range(p + AVB_AT_SIGNATURE, i.auth_at, i.auth_len, &i.signature_at, &i.signature_len) ||
	    !get_range(p + AVB_AT_KEY, i.aux_at, i.aux_len, &i.key_at, &i.key_len) ||
	    !get_range(p + AVB_AT_DESCRIPTORS, i.aux_at, i.aux_len, &i.descriptors_at, &i.descriptors_len))
		return damaged(label, AVB_AT_HASH, "a part lies outside its block", d);
	if (!expected_sizes(&i))
		return damaged(label, AVB_AT_ALGORITHM, "its algorithm and the lengths of hash, signature and key do not fit together", d);
	if (!memchr(p + AVB_AT_RELEASE, 0, AVB_RELEASE_LEN))
		return damaged(label, AVB_AT_RELEASE, "its release string has no end", d);
	i.rollback_index = get_be64(p + AVB_AT_ROLLBACK);
	i.flags = get_be32(p + AVB_AT_FLAGS);
	i.rollback_location = get_be32(p + AVB_AT_LOCATION);
	memcpy(i.release, p + AVB_AT_RELEASE, AVB_RELEASE_LEN);
	*ret = i;
	return 0;
}

/* Where the kinds of descriptors have the length of their name, and how wide that is; the name follows the fixed part. */
static const struct kind {
	size_t fixed_len, name_len_at, name_len_width;
} kinds[] = {
	[AVB_TAG_PROPERTY] = { AVB_PROPERTY_LEN, 16, 8 }, [AVB_TAG_HASHTREE] = { AVB_HASHTREE_LEN, 104, 4 },
	[AVB_TAG_HASH] = { AVB_HASH_LEN, 56, 4 },         [AVB_TAG_CMDLINE] = { AVB_CMDLINE_LEN, 0, 0 },
	[AVB_TAG_CHAIN] = { AVB_CHAIN_LEN, 20, 4 },
};

int avb_next(const uint8_t *p, size_t len, size_t *at, struct avb_descriptor *ret, const char *label, struct diag *d)
{
	struct avb_descriptor r = { 0 };
	uint64_t rest, name_len = 0;
	if (*at == len)
		return 1;
	if (len - *at < 16)
		return damaged(label, *at, "a descriptor is cut off", d);
	r.data = p + *at;
	r.tag = get_be64(r.data);
	rest = get_be64(r.data + 8);
	if (rest % 8 || rest > len - *at - 16)
		return damaged(label, *at, "a descriptor is longer than the block it is in", d);
	r.len = (size_t)rest + 16;
	if (r.tag < ARRAY_LEN(kinds)) {
		const struct kind *k = &kinds[r.tag];
		if (r.len < k->fixed_len)
			return damaged(label, *at, "a descriptor is too short for its kind", d);
		if (k->name_len_width)
			name_len = k->name_len_width == 8 ? get_be64(r.data + k->name_len_at) : get_be32(r.data + k->name_len_at);
		if (name_len > r.len - k->fixed_len)
			return damaged(label, *at, "a name is longer than its descriptor", d);
		/* Longer names are of no partition of a GPT; as the keys of properties they are shown cut. */
		memcpy(r.partition, r.data + k->fixed_len, (size_t)num_min(name_len, sizeof(r.partition) - 1));
	}
	*at += r.len;
	*ret = r;
	return 0;
}

int avb_verify(const uint8_t *data, size_t len, EVP_PKEY *key, const char *label, struct diag *d)
{
	struct avb_info i;
	enum sign_hash hash;
	uint8_t blob[AVB_KEY_BLOB_MAX], digest[EVP_MAX_MD_SIZE];
	size_t blob_len;
	struct loc loc = LOC_FILE(label);
	if (avb_read(data, len, label, &i, d) || avb_key_blob(key, &loc, blob, &blob_len, d))
		return -1;
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): set on every path, which the analyser does not follow */
	if (!avb_algorithm(i.algorithm, &hash))
		return diag_fail(d, MVP0643, &loc, "the vbmeta image is not signed");
	if (i.key_len != blob_len || memcmp(data + i.key_at, blob, blob_len) != 0)
		return diag_fail(d, MVP0643, &loc, "the vbmeta image is signed by another key");
	size_t message_len = AVB_HEADER_LEN + (size_t)i.aux_len;
	uint8_t *message CLEANUP_FREE = mem_array(uint8_t, message_len);
	memcpy(message, data, AVB_HEADER_LEN);
	memcpy(message + AVB_HEADER_LEN, data + i.aux_at, (size_t)i.aux_len);
	if (EVP_Digest(message, message_len, digest, NULL, hash == SIGN_SHA512 ? EVP_sha512() : EVP_sha256(), NULL) != 1 ||
	    memcmp(digest, data + i.hash_at, (size_t)i.hash_len) != 0)
		return diag_fail(d, MVP0643, &loc, "the vbmeta image was changed: its hash does not hold");
	if (!sign_verify(key, hash, message, message_len, data + i.signature_at, (size_t)i.signature_len))
		return diag_fail(d, MVP0643, &loc, "the signature of the vbmeta image does not hold");
	return 0;
}

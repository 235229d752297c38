#include <openssl/evp.h>
#include <string.h>

#include "imagegen/avb/avb_int.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

enum { READ_LEN = 1 << 20 };

static const char *hash_name(enum sign_hash hash)
{
	return hash == SIGN_SHA512 ? "sha512" : "sha256";
}

size_t avb_digest_len(enum sign_hash hash)
{
	return hash == SIGN_SHA512 ? 64 : 32;
}

static const EVP_MD *hash_md(enum sign_hash hash)
{
	return hash == SIGN_SHA512 ? EVP_sha512() : EVP_sha256();
}

int avb_hash_image(const struct image *img, struct avb_digest *h, struct diag *d)
{
	EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint8_t *buf CLEANUP_FREE = mem_array(uint8_t, READ_LEN);
	bool ok = c && EVP_DigestInit_ex(c, hash_md(h->hash), NULL) == 1 && EVP_DigestUpdate(c, h->salt, h->salt_len) == 1;
	for (uint64_t at = 0; ok && at < image_len(img);) {
		size_t n = (size_t)num_min(READ_LEN, image_len(img) - at);
		if (diag_stopped(d) || image_read(img, at, buf, n, d))
			return -1;
		ok = EVP_DigestUpdate(c, buf, n) == 1;
		at += n;
	}
	if (!ok || EVP_DigestFinal_ex(c, h->digest, NULL) != 1)
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	return 0;
}

/* Descriptors: tag, length of what follows (a multiple of 8), fixed part, names and values, padding. */

static uint8_t *begin(struct avb *a, uint64_t tag, size_t fixed_len, size_t *ret_start)
{
	*ret_start = a->descriptors.len;
	uint8_t *p = buf_reserve(&a->descriptors, fixed_len);
	if (p)
		put_be64(p, tag);
	return p;
}

static void end(struct avb *a, size_t start, const char *what)
{
	(void)buf_align(&a->descriptors, 8);
	if (!buf_error(&a->descriptors))
		put_be64(a->descriptors.data + start + 8, a->descriptors.len - start - 16);
	else if (!a->failed)
		a->failed = what;
}

void avb_fini(struct avb *a)
{
	buf_fini(&a->descriptors);
	a->minor = 0;
	a->failed = NULL;
}

void avb_add_property(struct avb *a, const char *key, const void *value, size_t value_len)
{
	size_t start;
	uint8_t *p = begin(a, AVB_TAG_PROPERTY, AVB_PROPERTY_LEN, &start);
	if (p) {
		put_be64(p + 16, strlen(key));
		put_be64(p + 24, value_len);
	}
	(void)buf_append(&a->descriptors, key, strlen(key) + 1);
	(void)buf_append(&a->descriptors, value, value_len);
	(void)buf_putc(&a->descriptors, 0);
	end(a, start, "property");
}

void avb_add_hash(struct avb *a, const char *partition, uint64_t image_len, const struct avb_digest *h)
{
	size_t start, name_len = strlen(partition), digest_len = avb_digest_len(h->hash);
	uint8_t *p = begin(a, AVB_TAG_HASH, AVB_HASH_LEN, &start);
	if (p) {
		put_be64(p + 16, image_len);
		memcpy(p + 24, hash_name(h->hash), strlen(hash_name(h->hash)));
		put_be32(p + 56, (uint32_t)name_len);
		put_be32(p + 60, (uint32_t)h->salt_len);
		put_be32(p + 64, (uint32_t)digest_len);
	}
	(void)buf_append(&a->descriptors, partition, name_len);
	(void)buf_append(&a->descriptors, h->salt, h->salt_len);
	(void)buf_append(&a->descriptors, h->digest, digest_len);
	end(a, start, "hash");
}

void avb_add_hashtree(struct avb *a, const char *partition, const struct avb_hashtree *t)
{
	size_t start, name_len = strlen(partition), digest_len = avb_digest_len(t->root.hash);
	uint8_t *p = begin(a, AVB_TAG_HASHTREE, AVB_HASHTREE_LEN, &start);
	if (p) {
		put_be32(p + 16, 1); /* of dm-verity's formats, the one every kernel has */
		put_be64(p + 20, t->image_len);
		put_be64(p + 28, t->tree_at);
		put_be64(p + 36, t->tree_len);
		put_be32(p + 44, AVB_BLOCK);
		put_be32(p + 48, AVB_BLOCK);
		put_be32(p + 52, t->fec_roots);
		put_be64(p + 56, t->fec_at);
		put_be64(p + 64, t->fec_len);
		memcpy(p + 72, hash_name(t->root.hash), strlen(hash_name(t->root.hash)));
		put_be32(p + 104, (uint32_t)name_len);
		put_be32(p + 108, (uint32_t)t->root.salt_len);
		put_be32(p + 112, (uint32_t)digest_len);
	}
	(void)buf_append(&a->descriptors, partition, name_len);
	(void)buf_append(&a->descriptors, t->root.salt, t->root.salt_len);
	(void)buf_append(&a->descriptors, t->root.digest, digest_len);
	end(a, start, "hash tree");
}

void avb_add_cmdline(struct avb *a, uint32_t flags, const char *cmdline)
{
	size_t start;
	uint8_t *p = begin(a, AVB_TAG_CMDLINE, AVB_CMDLINE_LEN, &start);
	if (p) {
		put_be32(p + 16, flags);
		put_be32(p + 20, (uint32_t)strlen(cmdline));
	}
	(void)buf_append(&a->descriptors, cmdline, strlen(cmdline));
	end(a, start, "command line");
}

void avb_add_chain(struct avb *a, const char *partition, uint32_t rollback_location, const uint8_t *key_blob, size_t key_blob_len)
{
	size_t start;
	uint8_t *p = begin(a, AVB_TAG_CHAIN, AVB_CHAIN_LEN, &start);
	if (p) {
		put_be32(p + 16, rollback_location);
		put_be32(p + 20, (uint32_t)strlen(partition));
		put_be32(p + 24, (uint32_t)key_blob_len);
	}
	(void)buf_append(&a->descriptors, partition, strlen(partition));
	(void)buf_append(&a->descriptors, key_blob, key_blob_len);
	end(a, start, "chain");
}

/* The image: header, authentication block (hash, signature), auxiliary block (descriptors, public key). */

unsigned avb_algorithm(uint32_t number, enum sign_hash *ret_hash)
{
	static const unsigned bits[] = { 2048, 4096, 8192 };
	*ret_hash = number > 3 ? SIGN_SHA512 : SIGN_SHA256;
	return number >= 1 && number <= 6 ? bits[(number - 1) % 3] : 0;
}

static uint32_t algorithm_number(const struct avb_opts *o)
{
	enum sign_hash hash;
	for (uint32_t i = 1; o->signer && i <= 6; i++) {
		if (avb_algorithm(i, &hash) == signer_bits(o->signer) && hash == o->hash)
			return i;
	}
	return 0;
}

static void put_range(uint8_t *p, uint64_t at, uint64_t len)
{
	put_be64(p, at);
	put_be64(p + 8, len);
}

static void put_header(uint8_t *p, const struct avb *a, const struct avb_opts *o, size_t auth_len, size_t aux_len, size_t blob_len)
{
	const char *release = o->release ? o->release : "mvpctl " MVP_VERSION;
	size_t hash_len = o->signer ? avb_digest_len(o->hash) : 0, signature_len = o->signer ? signer_bits(o->signer) / 8 : 0;
	memcpy(p, AVB_MAGIC, 4);
	put_be32(p + AVB_AT_MAJOR, 1);
	put_be32(p + AVB_AT_MINOR, o->rollback_location ? 2 : a->minor);
	put_be64(p + AVB_AT_AUTH_LEN, auth_len);
	put_be64(p + AVB_AT_AUX_LEN, aux_len);
	put_be32(p + AVB_AT_ALGORITHM, algorithm_number(o));
	put_range(p + AVB_AT_HASH, 0, hash_len);
	put_range(p + AVB_AT_SIGNATURE, hash_len, signature_len);
	put_range(p + AVB_AT_KEY, a->descriptors.len, blob_len);
	put_range(p + AVB_AT_METADATA, a->descriptors.len + blob_len, 0);
	put_range(p + AVB_AT_DESCRIPTORS, 0, a->descriptors.len);
	put_be64(p + AVB_AT_ROLLBACK, o->rollback_index);
	put_be32(p + AVB_AT_FLAGS, o->flags);
	put_be32(p + AVB_AT_LOCATION, o->rollback_location);
	memcpy(p + AVB_AT_RELEASE, release, strnlen(release, AVB_RELEASE_LEN - 1));
}

/* Hash and signature cover the header and the whole auxiliary block. */
static int fill_auth(uint8_t *vbmeta, size_t auth_len, size_t aux_len, const struct avb_opts *o, struct diag *d)
{
	size_t signed_len = AVB_HEADER_LEN + aux_len, signature_len = 0;
	uint8_t *message CLEANUP_FREE = mem_array(uint8_t, signed_len);
	uint8_t *auth = vbmeta + AVB_HEADER_LEN, signature[SIGN_LEN_MAX];
	memcpy(message, vbmeta, AVB_HEADER_LEN);
	memcpy(message + AVB_HEADER_LEN, auth + auth_len, aux_len);
	if (EVP_Digest(message, signed_len, auth, NULL, hash_md(o->hash), NULL) != 1)
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	if (signer_sign(o->signer, o->name, o->hash, message, signed_len, signature, &signature_len, d))
		return -1;
	memcpy(auth + avb_digest_len(o->hash), signature, signature_len);
	return 0;
}

int avb_emit(const struct avb *a, const struct avb_opts *o, uint8_t **ret_vbmeta, size_t *ret_len, struct diag *d)
{
	uint8_t blob[AVB_KEY_BLOB_MAX];
	size_t blob_len = 0, auth_len = 0;
	if (a->failed)
		return diag_fail(d, MVP0641, NULL, "%s: a %s descriptor does not fit into the %d bytes of a vbmeta image", o->name,
				 a->failed, AVB_VBMETA_MAX);
	if (o->signer) {
		if (avb_key_blob(signer_public(o->signer), NULL, blob, &blob_len, d))
			return -1;
		auth_len = (size_t)align_up(avb_digest_len(o->hash) + signer_bits(o->signer) / 8, AVB_UNIT);
	}
	size_t aux_len = (size_t)align_up(a->descriptors.len + blob_len, AVB_UNIT), len = AVB_HEADER_LEN + auth_len + aux_len;
	if (o->padding)
		len = (size_t)align_up(len, o->padding);
	if (len > AVB_VBMETA_MAX)
		return diag_fail(d, MVP0641, NULL, "%s: the vbmeta image would have %zu bytes, at most %d can be read", o->name, len,
				 AVB_VBMETA_MAX);
	uint8_t *v CLEANUP_FREE = mem_array(uint8_t, len);
	uint8_t *aux = v + AVB_HEADER_LEN + auth_len;
	put_header(v, a, o, auth_len, aux_len, blob_len);
	if (a->descriptors.len)
		memcpy(aux, a->descriptors.data, a->descriptors.len);
	memcpy(aux + a->descriptors.len, blob, blob_len);
	if (o->signer && fill_auth(v, auth_len, aux_len, o, d))
		return -1;
	*ret_vbmeta = TAKE(v);
	*ret_len = len;
	return 0;
}

int avb_with_footer(struct image *data, struct image *more, const uint8_t *vbmeta, size_t vbmeta_len, uint64_t partition_len,
		    struct image **ret_img, struct diag *d)
{
	uint64_t more_at = align_up(image_len(data), AVB_BLOCK);
	uint64_t vbmeta_at = align_up(more_at + (more ? image_len(more) : 0), AVB_BLOCK), footer_at = partition_len - AVB_FOOTER_LEN;
	if (partition_len % AVB_BLOCK || partition_len < AVB_BLOCK ||
	    vbmeta_at + align_up(vbmeta_len, AVB_BLOCK) > partition_len - AVB_BLOCK)
		return diag_fail(d, MVP0641, NULL, "a partition of %llu bytes is too small for %llu bytes, their vbmeta and a footer",
				 (unsigned long long)partition_len, (unsigned long long)vbmeta_at);
	uint8_t *copy = mem_array(uint8_t, vbmeta_len), *footer = mem_array(uint8_t, AVB_FOOTER_LEN);
	memcpy(copy, vbmeta, vbmeta_len);
	memcpy(footer, AVB_FOOTER_MAGIC, 4);
	put_be32(footer + 4, 1);
	put_be64(footer + 12, image_len(data));
	put_be64(footer + 20, vbmeta_at);
	put_be64(footer + 28, vbmeta_len);
	struct image *v CLEANUP(image_freep) = image_mem(copy, vbmeta_len), *f CLEANUP(image_freep) = image_mem(footer, AVB_FOOTER_LEN);
	struct image *none CLEANUP(image_freep) = image_hole(0);
	const struct image_piece pieces[] = { { data, 0 }, { more ? more : none, more_at }, { v, vbmeta_at }, { f, footer_at } };
	*ret_img = image_compose(partition_len, pieces, ARRAY_LEN(pieces));
	return 0;
}

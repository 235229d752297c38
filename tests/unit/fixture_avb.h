/* vbmeta images made by the test itself, with OpenSSL's RSA: what imagegen writes is not what judges the vault's reader. */
#ifndef TESTS_UNIT_FIXTURE_AVB_H
#define TESTS_UNIT_FIXTURE_AVB_H

#include "vault_host.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "vmm/vault/avb.h"

struct avb_image {
	uint8_t data[MVP_AVB_VBMETA_MAX];
	size_t len, auxiliary_at, key_at, signature_at;
	uint32_t bits;
	EVP_PKEY *key;
	uint8_t key_digest[32];
};

static inline void avb_put32(uint8_t *p, uint32_t v)
{
	put_be32(p, v);
}

static inline EVP_PKEY *avb_new_key(uint32_t bits)
{
	return EVP_RSA_gen(bits);
}

/* formats: a public key as it stands in a vbmeta; the bytes that the vault does not use are right, too. */
static inline void avb_put_key(EVP_PKEY *key, uint32_t bits, uint8_t *at)
{
	BIGNUM *n = NULL, *r = BN_new(), *rr = BN_new();
	BN_CTX *c = BN_CTX_new();
	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) || !BN_set_bit(r, (int)bits) || !BN_mod_sqr(rr, r, n, c))
		abort();
	avb_put32(at, bits);
	avb_put32(at + 4, 0);
	if (BN_bn2binpad(n, at + 8, (int)bits / 8) < 0 || BN_bn2binpad(rr, at + 8 + bits / 8, (int)bits / 8) < 0)
		abort();
	BN_free(n);
	BN_free(r);
	BN_free(rr);
	BN_CTX_free(c);
}

/* A descriptor: returns its length. */
static inline size_t avb_put_hash(uint8_t *at, const char *name, uint64_t image_size, const uint8_t *salt, uint32_t salt_len,
				  const uint8_t digest[32])
{
	size_t name_len = strlen(name), len = (132 + name_len + salt_len + 32 + 7) / 8 * 8;
	memset(at, 0, len);
	put_be64(at, 2);
	put_be64(at + 8, len - 16);
	put_be64(at + 16, image_size);
	memcpy(at + 24, "sha256", 6);
	avb_put32(at + 56, (uint32_t)name_len);
	avb_put32(at + 60, salt_len);
	avb_put32(at + 64, 32);
	memcpy(at + 132, name, name_len);
	memcpy(at + 132 + name_len, salt, salt_len);
	memcpy(at + 132 + name_len + salt_len, digest, 32);
	return len;
}

/* Hash and signature of what is in the image now. */
static inline void avb_sign(struct avb_image *v)
{
	uint8_t digest[32];
	size_t len = v->bits / 8;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *s = EVP_PKEY_CTX_new(v->key, NULL);
	if (!EVP_DigestInit_ex(c, EVP_sha256(), NULL) || !EVP_DigestUpdate(c, v->data, 256) ||
	    !EVP_DigestUpdate(c, v->data + v->auxiliary_at, v->len - v->auxiliary_at) || !EVP_DigestFinal_ex(c, digest, NULL))
		abort();
	memcpy(v->data + 256, digest, 32);
	if (EVP_PKEY_sign_init(s) != 1 || EVP_PKEY_CTX_set_rsa_padding(s, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(s, EVP_sha256()) != 1 ||
	    EVP_PKEY_sign(s, v->data + v->signature_at, &len, digest, sizeof(digest)) != 1)
		abort();
	EVP_MD_CTX_free(c);
	EVP_PKEY_CTX_free(s);
}

/* An image with these descriptors. */
static inline void avb_make(struct avb_image *v, EVP_PKEY *key, uint32_t bits, const uint8_t *descriptors, size_t descriptors_len,
			    uint64_t rollback_index)
{
	size_t key_len = 8 + 2 * (size_t)bits / 8, authentication = (32 + bits / 8 + 63) / 64 * 64;
	size_t auxiliary = (descriptors_len + key_len + 63) / 64 * 64;
	memset(v, 0, sizeof(*v));
	v->bits = bits;
	v->key = key;
	v->signature_at = 256 + 32;
	v->auxiliary_at = 256 + authentication;
	v->key_at = v->auxiliary_at + descriptors_len;
	v->len = v->auxiliary_at + auxiliary;
	memcpy(v->data, "AVB0", 4);
	avb_put32(v->data + 4, 1);
	put_be64(v->data + 12, authentication);
	put_be64(v->data + 20, auxiliary);
	avb_put32(v->data + 28, bits == 2048 ? 1 : 2);
	put_be64(v->data + 40, 32);
	put_be64(v->data + 48, 32);
	put_be64(v->data + 56, bits / 8);
	put_be64(v->data + 64, descriptors_len);
	put_be64(v->data + 72, key_len);
	put_be64(v->data + 80, descriptors_len + key_len);
	put_be64(v->data + 104, descriptors_len);
	put_be64(v->data + 112, rollback_index);
	memcpy(v->data + 128, "fixture 1", 9);
	memcpy(v->data + v->auxiliary_at, descriptors, descriptors_len);
	avb_put_key(key, bits, v->data + v->key_at);
	if (!EVP_Digest(v->data + v->key_at, key_len, v->key_digest, NULL, EVP_sha256(), NULL))
		abort();
	avb_sign(v);
}

#endif

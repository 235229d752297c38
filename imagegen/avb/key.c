#include <openssl/core_names.h>
#include <string.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"

/* -1/n mod 2^32 for odd n by Newton's iteration: each step doubles the bits that are right, and n is its own inverse mod 8. */
static uint32_t negative_inverse(uint32_t n)
{
	uint32_t x = n;
	for (int i = 0; i < 5; i++)
		x *= 2 - n * x;
	return 0 - x;
}

static bool make_blob(BIGNUM *n, int bits, uint8_t *blob)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *rr CLEANUP(BN_freep) = BN_new();
	size_t bytes = (size_t)bits / 8;
	bool ok = ctx && rr && BN_set_bit(rr, 2 * bits) == 1 && BN_mod(rr, rr, n, ctx) == 1 &&
		  BN_bn2binpad(n, blob + 8, (int)bytes) == (int)bytes && BN_bn2binpad(rr, blob + 8 + bytes, (int)bytes) == (int)bytes;
	BN_CTX_free(ctx);
	if (!ok)
		return false;
	put_be32(blob, (uint32_t)bits);
	put_be32(blob + 4, negative_inverse(get_be32(blob + 8 + bytes - 4)));
	return true;
}

enum { KEY_USABLE, KEY_NOT_RSA, KEY_NOT_FIT, KEY_BROKEN };

static int encode(EVP_PKEY *key, uint8_t *blob, size_t *ret_len)
{
	BIGNUM *n = NULL, *e = NULL;
	int bits = EVP_PKEY_get_bits(key);
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		   EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1;
	bool fits = rsa && (bits == 2048 || bits == 4096 || bits == 8192) && BN_is_word(e, 65537);
	bool done = fits && make_blob(n, bits, blob);
	BN_free(n);
	BN_free(e);
	*ret_len = 8 + (size_t)bits / 4;
	return done ? KEY_USABLE : fits ? KEY_BROKEN : rsa ? KEY_NOT_FIT : KEY_NOT_RSA;
}

int avb_key_blob(EVP_PKEY *key, const struct loc *loc, uint8_t ret_blob[AVB_KEY_BLOB_MAX], size_t *ret_len, struct diag *d)
{
	switch (encode(key, ret_blob, ret_len)) {
	case KEY_USABLE:
		return 0;
	case KEY_NOT_RSA:
		return diag_fail(d, MVP0640, loc, "verified boot knows RSA keys only, this one is %s", EVP_PKEY_get0_type_name(key));
	case KEY_NOT_FIT:
		return diag_fail(d, MVP0640, loc,
				 "verified boot knows RSA keys of 2048, 4096 and 8192 bits with exponent 65537, not this one of %d bits",
				 EVP_PKEY_get_bits(key));
	default:
		return diag_fail(d, MVP0001, NULL, "arithmetic on an RSA key failed");
	}
}

bool avb_key_digest(EVP_PKEY *key, uint8_t ret[32])
{
	uint8_t blob[AVB_KEY_BLOB_MAX];
	size_t len;
	return encode(key, blob, &len) == KEY_USABLE && EVP_Digest(blob, len, ret, NULL, EVP_sha256(), NULL) == 1;
}

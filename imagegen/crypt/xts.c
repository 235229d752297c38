#include "imagegen/crypt/xts.h"

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "mvp/luks2.h"

struct xts {
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *keyed; /* key schedule done once; each call works on a copy of it */
	size_t sector_len;
};

struct xts *xts_new(const uint8_t key[64], size_t sector_len)
{
	struct xts *x = mem_new(struct xts);
	x->sector_len = sector_len;
	x->cipher = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);
	x->keyed = EVP_CIPHER_CTX_new();
	if (!x->cipher || !x->keyed || EVP_EncryptInit_ex2(x->keyed, x->cipher, key, NULL, NULL) != 1)
		abort();
	return x;
}

void xts_free(struct xts *x)
{
	if (!x)
		return;
	EVP_CIPHER_CTX_free(x->keyed);
	EVP_CIPHER_free(x->cipher);
	free(x);
}

void xts_encrypt(const struct xts *x, uint64_t at, uint8_t *data, size_t len)
{
	EVP_CIPHER_CTX *ctx CLEANUP(EVP_CIPHER_CTX_freep) = EVP_CIPHER_CTX_new();
	if (!ctx || EVP_CIPHER_CTX_copy(ctx, x->keyed) != 1)
		abort();
	for (size_t done = 0; done < len; done += x->sector_len) {
		uint64_t unit = (at + done) / MVP_LUKS2_IV_UNIT;
		uint8_t iv[16] = { 0 };
		for (size_t i = 0; i < 8; i++)
			iv[i] = (uint8_t)(unit >> (8 * i));
		int n;
		if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) != 1 ||
		    EVP_EncryptUpdate(ctx, data + done, &n, data + done, (int)x->sector_len) != 1)
			abort();
	}
}

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/secret.h"
#include "imagegen/crypt/luks2.h"

void derive(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t *out, size_t out_len)
{
	SECRET_ARRAY(key, 32);
	SECRET_ARRAY(salt, 32);
	char digest[] = "SHA256";
	/* OSSL_PARAM takes no const pointers; copies keep the promise of our own signature. */
	memcpy(key, master, sizeof(key));
	memcpy(salt, context, sizeof(salt));
	char *label CLEANUP_FREE = mem_strdup(info);
	EVP_KDF *kdf CLEANUP(EVP_KDF_freep) = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx CLEANUP(EVP_KDF_CTX_freep) = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, sizeof(key)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof(salt)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	/* Only memory or a broken OpenSSL can fail here, and going on with an underived key would be worse than stopping. */
	if (!ctx || EVP_KDF_derive(ctx, out, out_len, params) != 1)
		abort();
}

void derive_uuid(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t ret_uuid[16])
{
	derive(master, context, info, ret_uuid, 16);
	ret_uuid[6] = (uint8_t)((ret_uuid[6] & 0x0f) | 0x40);
	ret_uuid[8] = (uint8_t)((ret_uuid[8] & 0x3f) | 0x80);
}

#include "imagegen/crypt/escrow.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/secret.h"
#include "imagegen/crypt/luks2.h"

/* More than an envelope draws: content key, nonce, OAEP seed or an ephemeral key, which may be drawn a few times. */
enum { RANDOM_LEN = 8160, CERTIFICATE_MAX = 65536 };

/* A generator that gives what it is told to give: OpenSSL's own, for tests with known answers. */
static bool feed(EVP_RAND_CTX *r, const uint8_t seed[32], const char *purpose)
{
	static const uint8_t context[32];
	SECRET_ARRAY(bytes, RANDOM_LEN);
	unsigned strength = 256;
	derive(seed, context, purpose, bytes, sizeof(bytes));
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, bytes, sizeof(bytes)),
				      OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength), OSSL_PARAM_construct_end() };
	return r && EVP_RAND_uninstantiate(r) == 1 && EVP_RAND_instantiate(r, strength, 0, NULL, 0, params) == 1;
}

/* OpenSSL's objects of their own, whose random numbers follow from the seed: others of this process go on with theirs. */
static OSSL_LIB_CTX *seeded_new(const uint8_t seed[32])
{
	OSSL_LIB_CTX *o CLEANUP(OSSL_LIB_CTX_freep) = OSSL_LIB_CTX_new();
	if (!o || RAND_set_DRBG_type(o, "TEST-RAND", NULL, NULL, NULL) != 1 || !feed(RAND_get0_public(o), seed, "mvp escrow public") ||
	    !feed(RAND_get0_private(o), seed, "mvp escrow private"))
		return NULL;
	return TAKE(o);
}

static int read_certificate(const char *path, const struct loc *loc, OSSL_LIB_CTX *o, X509 **ret, struct diag *d)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	int rc = io_read_file(path, CERTIFICATE_MAX, &data, &len);
	if (rc)
		return diag_fail(d, MVP0624, loc, "cannot read the escrow certificate '%s': %s", path, strerror(-rc));
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new_mem_buf(data, (int)len);
	X509 *cert CLEANUP(X509_freep) = X509_new_ex(o, NULL);
	if (!bio || !cert || !PEM_read_bio_X509(bio, &cert, NULL, NULL))
		return diag_fail(d, MVP0624, loc, "'%s' holds no certificate in PEM", path);
	if (!(X509_get_key_usage(cert) & (X509v3_KU_KEY_ENCIPHERMENT | X509v3_KU_KEY_AGREEMENT)))
		return diag_fail(d, MVP0624, loc, "the certificate '%s' is not for keys to be encrypted to", path);
	*ret = TAKE(cert);
	return 0;
}

static bool add_recipient(CMS_ContentInfo *cms, X509 *cert)
{
	CMS_RecipientInfo *r = CMS_add1_recipient_cert(cms, cert, CMS_KEY_PARAM);
	if (!r)
		return false;
	EVP_PKEY_CTX *key = CMS_RecipientInfo_get0_pkey_ctx(r);
	if (CMS_RecipientInfo_type(r) != CMS_RECIPINFO_TRANS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_OAEP_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_oaep_md(key, EVP_sha256()) == 1;
}

static bool seal(OSSL_LIB_CTX *o, X509 *cert, const uint8_t *secret, size_t len, BIO *out)
{
	EVP_CIPHER *cipher CLEANUP(EVP_CIPHER_freep) = EVP_CIPHER_fetch(o, "AES-256-GCM", NULL);
	BIO *in CLEANUP(BIO_free_allp) = BIO_new_mem_buf(secret, (int)len);
	if (!cipher || !in)
		return false;
	CMS_ContentInfo *cms CLEANUP(CMS_ContentInfo_freep) = CMS_AuthEnvelopedData_create_ex(cipher, o, NULL);
	return cms && CMS_set_detached(cms, 0) == 1 && add_recipient(cms, cert) && CMS_final(cms, in, NULL, CMS_BINARY) == 1 &&
	       i2d_CMS_bio(out, cms) == 1;
}

int escrow_seal(const char *path, const struct loc *loc, const uint8_t *secret, size_t len, const uint8_t seed[32],
		struct buf *ret_envelope, struct diag *d)
{
	OSSL_LIB_CTX *o CLEANUP(OSSL_LIB_CTX_freep) = seeded_new(seed);
	X509 *cert CLEANUP(X509_freep) = NULL;
	BIO *out CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	char *der = NULL, text[256];
	if (!o || !out)
		return diag_fail(d, MVP0001, loc, "OpenSSL takes no seed for its random numbers");
	if (read_certificate(path, loc, o, &cert, d))
		return -1;
	if (!seal(o, cert, secret, len, out)) {
		ERR_error_string_n(ERR_get_error(), text, sizeof(text));
		return diag_fail(d, MVP0624, loc, "nothing can be encrypted to the certificate '%s': %s", path, text);
	}
	long der_len = BIO_get_mem_data(out, &der);
	if (der_len > ESCROW_MAX)
		return diag_fail(d, MVP0624, loc, "the key of the certificate '%s' is too long: an envelope for it has %ld bytes", path,
				 der_len);
	return buf_append(ret_envelope, der, (size_t)der_len) ? diag_fail(d, MVP0001, loc, "memory is out") : 0;
}

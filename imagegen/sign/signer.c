#include <errno.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/sign/sign_int.h"

enum { KEY_FILE_MAX = 256 << 10, EC_LEN = 64, EC_HALF = 32 };

struct signer {
	EVP_PKEY *secret; /* NULL: a helper, or signatures made elsewhere */
	EVP_PKEY *public_key;
	char *helper, *public_path, *exchange;
	bool prepare;
	unsigned missing;
	struct loc loc; /* file borrowed, as in struct sign_key */
	pthread_mutex_t lock;
};

/* PEM */

struct asked {
	const struct secret *passphrase;
	bool asked;
};

static int give_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	struct asked *a = ctx;
	(void)rwflag;
	a->asked = true;
	if (!a->passphrase->len || size < 0 || a->passphrase->len > (size_t)size)
		return -1;
	memcpy(buf, a->passphrase->data, a->passphrase->len);
	return (int)a->passphrase->len;
}

static int load_file(const struct sign_key *k, const struct secret *passphrase, EVP_PKEY **ret, struct diag *d)
{
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	struct asked a = { .passphrase = passphrase };
	char reason[256];
	int rc = secret_read_file(k->key, KEY_FILE_MAX, &s);
	if (rc)
		return diag_fail(d, MVP0630, &k->loc, "cannot read the key '%s': %s", k->key, strerror(-rc));
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new_mem_buf(s.data, (int)s.len);
	*ret = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &a) : NULL;
	if (*ret) {
		ERR_clear_error();
		return 0;
	}
	if (!a.asked && memmem(s.data, s.len, "BEGIN PUBLIC KEY", 16)) {
		(void)sign_reason(reason);
		return diag_fail(d, MVP0630, &k->loc, "'%s' holds a public key; signing takes its private half", k->key);
	}
	if (!a.asked) {
		(void)diag_fail(d, MVP0630, &k->loc, "'%s' holds no private key that can be read: %s", k->key, sign_reason(reason));
		return -1;
	}
	(void)sign_reason(reason);
	if (passphrase->len)
		return diag_fail(d, MVP0631, &k->loc, "the passphrase does not open the key '%s'", k->key);
	(void)diag_fail(d, MVP0631, &k->loc, "the key '%s' is encrypted and has no passphrase", k->key);
	diag_hint(d, "'passphrase' beside 'file' in the manifest, or --passphrase, says where it is: file:PATH, env:NAME or fd:N");
	return -1;
}

int sign_read_public(const char *path, const struct loc *loc, EVP_PKEY **ret_key, struct diag *d)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	char reason[256];
	int rc = io_read_file(path, KEY_FILE_MAX, &data, &len);
	if (rc)
		return diag_fail(d, MVP0630, loc, "cannot read the public key '%s': %s", path, strerror(-rc));
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new_mem_buf(data, (int)len);
	if (bio && memmem(data, len, "BEGIN CERTIFICATE", 17)) {
		X509 *cert CLEANUP(X509_freep) = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		*ret_key = cert ? X509_get_pubkey(cert) : NULL;
	} else {
		*ret_key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	}
	if (!*ret_key && memmem(data, len, "PRIVATE KEY-----", 16)) {
		(void)sign_reason(reason);
		(void)diag_fail(d, MVP0630, loc, "'%s' holds a private key; its public half is wanted", path);
		diag_hint(d, "`openssl pkey -in %s -pubout -out FILE` writes that", path);
	} else if (!*ret_key) {
		(void)diag_fail(d, MVP0630, loc, "'%s' holds no public key: %s", path, sign_reason(reason));
	}
	OPENSSL_cleanse(data, len); /* by mistake it may be a secret */
	if (!*ret_key)
		return -1;
	ERR_clear_error();
	return 0;
}

/* A copy without the private part, and without the engine: what verifies must not be what signed. */
static EVP_PKEY *public_of(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	const unsigned char *p = der;
	EVP_PKEY *copy = len > 0 ? d2i_PUBKEY(NULL, &p, len) : NULL;
	OPENSSL_free(der);
	return copy;
}

/* Kinds of keys */

static bool is_rsa(EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

static bool is_p256(EVP_PKEY *key)
{
	char group[32];
	size_t len;
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	       !strcmp(group, "prime256v1");
}

static int check_kind(EVP_PKEY *key, const struct sign_key *k, struct diag *d)
{
	int bits = EVP_PKEY_get_bits(key);
	if ((is_rsa(key) && (bits == 2048 || bits == 4096 || bits == 8192)) || is_p256(key))
		return 0;
	const char *type = EVP_PKEY_get0_type_name(key);
	(void)diag_fail(d, MVP0630, &k->loc, "a key of kind %s with %d bits cannot sign here", type ? type : "unknown", bits);
	diag_hint(d, "RSA of 2048, 4096 or 8192 bits, or EC on P-256");
	return -1;
}

static int load_secret(struct signer *s, const struct sign_key *k, struct diag *d)
{
	struct secret passphrase CLEANUP(secret_fini) = SECRET_INIT;
	if (k->passphrase && sign_passphrase(k->passphrase, &k->loc, &passphrase, d))
		return -1;
	if (pkcs11_is_uri(k->key) ? pkcs11_load(k, &passphrase, &s->secret, d) : load_file(k, &passphrase, &s->secret, d))
		return -1;
	s->public_key = public_of(s->secret);
	if (!s->public_key)
		return diag_fail(d, MVP0630, &k->loc, "the key '%s' has no public part", k->key);
	return 0;
}

int signer_open(const struct sign_key *k, struct signer **ret_s, struct diag *d)
{
	struct signer *s CLEANUP(signer_freep) = mem_new(struct signer);
	(void)pthread_mutex_init(&s->lock, NULL);
	s->helper = mem_strdup(k->helper);
	s->public_path = mem_strdup(k->public_key);
	s->exchange = mem_strdup(k->exchange);
	s->prepare = k->prepare;
	s->loc = k->loc;
	if (k->key ? load_secret(s, k, d) : sign_read_public(k->public_key, &k->loc, &s->public_key, d))
		return -1;
	if (check_kind(s->public_key, k, d))
		return -1;
	*ret_s = TAKE(s);
	return 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->secret);
	EVP_PKEY_free(s->public_key);
	free(s->helper);
	free(s->public_path);
	free(s->exchange);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

EVP_PKEY *signer_public(const struct signer *s)
{
	return s->public_key;
}

bool signer_is_rsa(const struct signer *s)
{
	return is_rsa(s->public_key);
}

unsigned signer_bits(const struct signer *s)
{
	return (unsigned)EVP_PKEY_get_bits(s->public_key);
}

unsigned signer_missing(const struct signer *s)
{
	return s->missing;
}

/* Signing */

static const EVP_MD *hash_md(enum sign_hash hash)
{
	return hash == SIGN_SHA512 ? EVP_sha512() : EVP_sha256();
}

static size_t signature_size(EVP_PKEY *key)
{
	return is_rsa(key) ? (size_t)EVP_PKEY_get_bits(key) / 8 : EC_LEN;
}

/* ECDSA-Sig-Value (RFC 3279, 2.2.3) to r || s. */
static bool der_to_raw(const uint8_t *der, size_t len, uint8_t raw[EC_LEN])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, EC_HALF) == EC_HALF &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + EC_HALF, EC_HALF) == EC_HALF;
	ECDSA_SIG_free(sig);
	return ok;
}

/* malloc'd by OpenSSL; NULL if it cannot be. */
static uint8_t *raw_to_der(const uint8_t raw[EC_LEN], size_t *ret_len)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, EC_HALF, NULL), *s = BN_bin2bn(raw + EC_HALF, EC_HALF, NULL);
	uint8_t *der = NULL;
	int len = -1;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		len = i2d_ECDSA_SIG(sig, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	*ret_len = len > 0 ? (size_t)len : 0;
	return len > 0 ? der : NULL;
}

/* What is signed: a message, or (message NULL) something of which only the digest is known. */
struct tbs {
	enum sign_hash hash;
	const void *message;
	size_t len;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;
};

static bool tbs_of(struct tbs *t, enum sign_hash hash, const void *message, size_t len)
{
	*t = (struct tbs){ .hash = hash, .message = message, .len = len };
	return EVP_Digest(message, len, t->digest, &t->digest_len, hash_md(hash), NULL) == 1;
}

static bool verify(EVP_PKEY *public_key, const struct tbs *t, const uint8_t *signature, size_t signature_len)
{
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_freep) = EVP_PKEY_CTX_new(public_key, NULL);
	uint8_t *der = NULL;
	size_t der_len;
	if (!c || signature_len != signature_size(public_key))
		return false;
	if (!is_rsa(public_key)) {
		der = raw_to_der(signature, &der_len);
		signature = der;
		signature_len = der_len;
	}
	/* The default padding of RSA is PKCS #1 version 1.5. */
	bool ok = signature && EVP_PKEY_verify_init(c) == 1 && EVP_PKEY_CTX_set_signature_md(c, hash_md(t->hash)) == 1 &&
		  EVP_PKEY_verify(c, signature, signature_len, t->digest, t->digest_len) == 1;
	OPENSSL_free(der);
	ERR_clear_error();
	return ok;
}

bool sign_verify(EVP_PKEY *public_key, enum sign_hash hash, const void *message, size_t len, const uint8_t *signature, size_t signature_len)
{
	struct tbs t;
	return tbs_of(&t, hash, message, len) && verify(public_key, &t, signature, signature_len);
}

static int sign_here(struct signer *s, const char *name, const struct tbs *t, uint8_t *ret, size_t *ret_len, struct diag *d)
{
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_freep) = EVP_PKEY_CTX_new(s->secret, NULL);
	uint8_t raw[SIGN_LEN_MAX];
	size_t raw_len = sizeof(raw);
	char reason[256];
	bool ok = c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_signature_md(c, hash_md(t->hash)) == 1 &&
		  EVP_PKEY_sign(c, raw, &raw_len, t->digest, t->digest_len) == 1;
	if (ok && is_rsa(s->public_key)) {
		memcpy(ret, raw, raw_len);
		*ret_len = raw_len;
	} else if (ok) {
		ok = der_to_raw(raw, raw_len, ret);
		*ret_len = EC_LEN;
	}
	if (!ok)
		return diag_fail(d, MVP0632, &s->loc, "the key does not sign %s: %s", name, sign_reason(reason));
	return 0;
}

/* EMSA-PKCS1-v1_5 (RFC 8017, 9.2) of the message for an RSA key, the bare digest for an EC key: what goes to a device that computes no
 * more than the private operation. */
static size_t pad_digest(const struct signer *s, const struct tbs *t, uint8_t ret[SIGN_LEN_MAX])
{
	static const uint8_t sha256[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	static const uint8_t sha512[] = { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					  0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40 };
	size_t size = signature_size(s->public_key), info_at;
	if (!is_rsa(s->public_key)) {
		memcpy(ret, t->digest, t->digest_len);
		return t->digest_len;
	}
	info_at = size - t->digest_len - sizeof(sha256);
	memset(ret, 0xff, size);
	ret[0] = 0;
	ret[1] = 1;
	ret[info_at - 1] = 0;
	memcpy(ret + info_at, t->hash == SIGN_SHA512 ? sha512 : sha256, sizeof(sha256));
	memcpy(ret + size - t->digest_len, t->digest, t->digest_len);
	return size;
}

static int sign_by_helper(struct signer *s, enum sign_hash hash, const uint8_t *padded, size_t padded_len, uint8_t *ret, size_t *ret_len,
			  struct diag *d)
{
	char algorithm[32];
	const char *name = hash == SIGN_SHA512 ? "SHA512" : "SHA256";
	if (is_rsa(s->public_key))
		(void)snprintf(algorithm, sizeof(algorithm), "%s_RSA%u", name, signer_bits(s));
	else
		(void)snprintf(algorithm, sizeof(algorithm), "%s_ECDSA_P256", name);
	*ret_len = signature_size(s->public_key);
	return helper_run(s->helper, algorithm, s->public_path, padded, padded_len, ret, ret_len, &s->loc, d);
}

static int sign_elsewhere(struct signer *s, const char *name, const struct tbs *t, const uint8_t *padded, size_t padded_len, uint8_t *ret,
			  size_t *ret_len, bool *ret_pending, struct diag *d)
{
	bool found = false;
	if (s->exchange && exchange_take(s->exchange, name, ret, ret_len, &found, &s->loc, d))
		return -1;
	if (found)
		return 0;
	if (!s->exchange || !s->prepare) {
		(void)diag_fail(d, MVP0635, &s->loc, "the signature of %s is not there, and its key is elsewhere", name);
		diag_hint(d, "the signature of NAME.tbs belongs beside it, as NAME.sig");
		return -1;
	}
	if (exchange_ask(s->exchange, name, t->message, t->len, padded, padded_len, s->public_key, &s->loc, d))
		return -1;
	s->missing++;
	*ret_pending = true;
	*ret_len = signature_size(s->public_key);
	memset(ret, 0, *ret_len);
	return 0;
}

static int sign_locked(struct signer *s, const char *name, const struct tbs *t, uint8_t *ret, size_t *ret_len, struct diag *d)
{
	uint8_t padded[SIGN_LEN_MAX];
	size_t padded_len = pad_digest(s, t, padded);
	bool pending = false;
	int rc;
	if (s->secret)
		rc = sign_here(s, name, t, ret, ret_len, d);
	else if (s->helper)
		rc = sign_by_helper(s, t->hash, padded, padded_len, ret, ret_len, d);
	else
		rc = sign_elsewhere(s, name, t, padded, padded_len, ret, ret_len, &pending, d);
	if (rc || pending)
		return rc;
	if (verify(s->public_key, t, ret, *ret_len))
		return 0;
	return diag_fail(d, MVP0634, &s->loc, "the signature of %s is not one of this key over what is signed now", name);
}

static int sign_tbs(struct signer *s, const char *name, const struct tbs *t, uint8_t *ret, size_t *ret_len, struct diag *d)
{
	(void)pthread_mutex_lock(&s->lock);
	int rc = sign_locked(s, name, t, ret, ret_len, d);
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

int signer_sign(struct signer *s, const char *name, enum sign_hash hash, const void *message, size_t len,
		uint8_t ret_signature[SIGN_LEN_MAX], size_t *ret_len, struct diag *d)
{
	struct tbs t;
	if (!is_rsa(s->public_key) && hash != SIGN_SHA256)
		return diag_fail(d, MVP0630, &s->loc, "an EC key on P-256 signs SHA-256 only");
	if (!tbs_of(&t, hash, message, len))
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	return sign_tbs(s, name, &t, ret_signature, ret_len, d);
}

int signer_sign_sha256(struct signer *s, const char *name, const uint8_t sha256[32], uint8_t ret_signature[SIGN_LEN_MAX], size_t *ret_len,
		       struct diag *d)
{
	struct tbs t = { .hash = SIGN_SHA256, .digest_len = 32 };
	memcpy(t.digest, sha256, 32);
	return sign_tbs(s, name, &t, ret_signature, ret_len, d);
}

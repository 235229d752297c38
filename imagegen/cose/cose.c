#include "imagegen/cose/cose.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/cose/cbor.h"

enum { MESSAGE_MAX = 4096, NINT_ES256 = -1 - MVP_COSE_ES256 };

static const char *parse_protected(const uint8_t *data, size_t len, struct cose *c)
{
	struct cbor_reader r = CBOR_READER(data, len);
	const uint8_t *type;
	size_t type_len;
	if (cbor_read(&r, CBOR_MAP) != 2 || cbor_read(&r, CBOR_UINT) != MVP_COSE_ALG || r.bad)
		return "its protected header is not the algorithm and the content type";
	if (cbor_read(&r, CBOR_NINT) != NINT_ES256 || r.bad)
		return "it is not signed with ES256";
	if (cbor_read(&r, CBOR_UINT) != MVP_COSE_CONTENT_TYPE)
		r.bad = true;
	type = cbor_read_string(&r, CBOR_TEXT, 1, COSE_TYPE_MAX, &type_len);
	if (!cbor_read_all(&r) || memchr(type, 0, type_len))
		return "its content type cannot be read";
	memcpy(c->type, type, type_len);
	c->type[type_len] = 0;
	return NULL;
}

const char *cose_parse(const uint8_t *message, size_t len, struct cose *ret_c)
{
	struct cbor_reader r = CBOR_READER(message, len);
	struct cose c = { 0 };
	size_t protected_len, signature_len;
	if (cbor_read(&r, CBOR_TAG) != MVP_COSE_TAG || cbor_read(&r, CBOR_ARRAY) != 4 || r.bad)
		return "it does not begin as a COSE_Sign1 message";
	const uint8_t *protected = cbor_read_string(&r, CBOR_BYTES, 1, MESSAGE_MAX, &protected_len);
	if (cbor_read(&r, CBOR_MAP) != 0)
		r.bad = true; /* nothing unprotected */
	c.payload = cbor_read_string(&r, CBOR_BYTES, 1, MESSAGE_MAX, &c.payload_len);
	c.signature = cbor_read_string(&r, CBOR_BYTES, MVP_P256_SIGNATURE_LEN, MVP_P256_SIGNATURE_LEN, &signature_len);
	if (!cbor_read_all(&r))
		return "it is not a COSE_Sign1 message in deterministic encoding, or something follows it";
	const char *fault = parse_protected(protected, protected_len, &c);
	if (!fault)
		*ret_c = c;
	return fault;
}

static void write_protected(const char *type, struct buf *out)
{
	(void)cbor_write(out, CBOR_MAP, 2);
	(void)cbor_write(out, CBOR_UINT, MVP_COSE_ALG);
	(void)cbor_write(out, CBOR_NINT, NINT_ES256);
	(void)cbor_write(out, CBOR_UINT, MVP_COSE_CONTENT_TYPE);
	(void)cbor_write_string(out, CBOR_TEXT, type, strlen(type));
}

/* Sig_structure (RFC 9052, 4.4): what the signature covers. */
static int write_tbs(const char *type, const void *payload, size_t payload_len, struct buf *out)
{
	static const char context[] = "Signature1";
	struct buf header CLEANUP(buf_fini) = BUF_INIT;
	write_protected(type, &header);
	(void)cbor_write(out, CBOR_ARRAY, 4);
	(void)cbor_write_string(out, CBOR_TEXT, context, strlen(context));
	(void)cbor_write_string(out, CBOR_BYTES, header.data, header.len);
	(void)cbor_write_string(out, CBOR_BYTES, "", 0);
	(void)cbor_write_string(out, CBOR_BYTES, payload, payload_len);
	return buf_error(&header) ? buf_error(&header) : buf_error(out);
}

bool cose_verify(const struct cose *c, EVP_PKEY *public_key)
{
	struct buf tbs CLEANUP(buf_fini) = BUF_INIT;
	if (write_tbs(c->type, c->payload, c->payload_len, &tbs) != 0)
		return false;
	return sign_verify(public_key, SIGN_SHA256, tbs.data, tbs.len, c->signature, MVP_P256_SIGNATURE_LEN);
}

int cose_sign(struct signer *s, const char *name, const char *type, const void *payload, size_t payload_len, struct buf *out,
	      struct diag *d)
{
	struct buf tbs CLEANUP(buf_fini) = BUF_INIT, header CLEANUP(buf_fini) = BUF_INIT;
	uint8_t signature[SIGN_LEN_MAX];
	size_t signature_len = 0;
	if (write_tbs(type, payload, payload_len, &tbs) != 0)
		return diag_fail(d, MVP0001, NULL, "no memory for a message");
	if (signer_sign(s, name, SIGN_SHA256, tbs.data, tbs.len, signature, &signature_len, d) < 0)
		return -1;
	if (signature_len != MVP_P256_SIGNATURE_LEN)
		return diag_fail(d, MVP0634, NULL, "the signature has %zu bytes; that of a key on P-256 has %d", signature_len,
				 MVP_P256_SIGNATURE_LEN);
	write_protected(type, &header);
	(void)cbor_write(out, CBOR_TAG, MVP_COSE_TAG);
	(void)cbor_write(out, CBOR_ARRAY, 4);
	(void)cbor_write_string(out, CBOR_BYTES, header.data, header.len);
	(void)cbor_write(out, CBOR_MAP, 0);
	(void)cbor_write_string(out, CBOR_BYTES, payload, payload_len);
	(void)cbor_write_string(out, CBOR_BYTES, signature, signature_len);
	if (buf_error(&header) || buf_error(out))
		return diag_fail(d, MVP0001, NULL, "no memory for a message");
	return 0;
}

static const char curve[] = "prime256v1";

EVP_PKEY *p256_key(const uint8_t point[MVP_P256_POINT_LEN])
{
	char group[sizeof(curve)];
	uint8_t copy[MVP_P256_POINT_LEN];
	EVP_PKEY *key = NULL;
	memcpy(group, curve, sizeof(curve));
	memcpy(copy, point, sizeof(copy));
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
				OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof(copy)),
				OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_freep) = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (point[0] != 4 || !c || EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		ERR_clear_error();
		return NULL;
	}
	EVP_PKEY_CTX *check CLEANUP(EVP_PKEY_CTX_freep) = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (check && EVP_PKEY_public_check(check) == 1)
		return key;
	ERR_clear_error();
	EVP_PKEY_free(key);
	return NULL;
}

bool p256_point(EVP_PKEY *key, uint8_t ret_point[MVP_P256_POINT_LEN])
{
	char group[32];
	size_t len = 0;
	BIGNUM *x CLEANUP(BN_freep) = NULL, *y CLEANUP(BN_freep) = NULL;
	bool ok = EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 && strcmp(group, curve) == 0 &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
	ret_point[0] = 4;
	ok = ok && BN_bn2binpad(x, ret_point + 1, 32) == 32 && BN_bn2binpad(y, ret_point + 33, 32) == 32;
	ERR_clear_error();
	return ok;
}

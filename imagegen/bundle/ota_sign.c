#include "imagegen/bundle/ota_sign.h"

#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/sign/sign.h"

/* DER (X.690): identifiers, and the parts that do not change. */
enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_OCTETS = 0x04, DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_CONTEXT_0 = 0xa0 };
static const uint8_t alg_sha256_rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };
static const uint8_t alg_rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
static const uint8_t alg_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00 };
static const uint8_t oid_signed_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };
static const uint8_t oid_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01 };
static const uint8_t oid_common_name[] = { 0x06, 0x03, 0x55, 0x04, 0x03 };
static const uint8_t version_1[] = { 0x02, 0x01, 0x01 };
/* From 2020 to the end of what UTCTime can say: devices do not look at it, and firmware outlives any year we could name. */
static const char validity[] = "\x17\x0d"
			       "200101000000Z"
			       "\x17\x0d"
			       "491231235959Z";
static const char label[] = "signed by mvpctl";

static void put(struct buf *b, uint8_t id, const struct buf *content)
{
	size_t len = content->len;
	if (buf_error(content))
		b->error = buf_error(content);
	buf_putc(b, (char)id);
	if (len >= 0x80) {
		unsigned bytes = 1;
		while (len >> (8 * bytes))
			bytes++;
		buf_putc(b, (char)(0x80 | bytes));
		while (--bytes)
			buf_putc(b, (char)(len >> (8 * bytes)));
	}
	buf_putc(b, (char)len);
	buf_append(b, content->data, content->len);
}

static void put_bytes(struct buf *b, uint8_t id, const void *data, size_t len)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	buf_append(&x, data, len);
	put(b, id, &x);
}

/* A name of one attribute, the common name. */
static void put_name(struct buf *b, const char *name)
{
	struct buf attribute CLEANUP(buf_fini) = BUF_INIT, set CLEANUP(buf_fini) = BUF_INIT, all CLEANUP(buf_fini) = BUF_INIT;
	buf_append(&attribute, oid_common_name, sizeof(oid_common_name));
	put_bytes(&attribute, 0x0c, name, strlen(name)); /* UTF8String */
	put(&set, DER_SEQUENCE, &attribute);
	put(&all, DER_SET, &set);
	put(b, DER_SEQUENCE, &all);
}

/* The serial number is from the key's digest: positive, and never zero. */
static int put_serial(struct buf *b, struct signer *s, struct diag *d)
{
	uint8_t sha256[32], *der = NULL;
	int len = i2d_PUBKEY(signer_public(s), &der);
	if (len <= 0)
		return diag_fail(d, MVP0001, NULL, "a public key cannot be written as DER");
	SHA256(der, (size_t)len, sha256);
	OPENSSL_free(der);
	sha256[0] = (uint8_t)(0x40 | (sha256[0] & 0x3f));
	put_bytes(b, DER_INTEGER, sha256, 16);
	return 0;
}

static int put_public(struct buf *b, struct signer *s, struct diag *d)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(signer_public(s), &der);
	if (len <= 0)
		return diag_fail(d, MVP0001, NULL, "a public key cannot be written as DER");
	buf_append(b, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

int ota_certificate(struct signer *s, const char *name, struct buf *ret_der, struct diag *d)
{
	struct buf body CLEANUP(buf_fini) = BUF_INIT, tbs CLEANUP(buf_fini) = BUF_INIT, all CLEANUP(buf_fini) = BUF_INIT,
			bits CLEANUP(buf_fini) = BUF_INIT;
	uint8_t signature[SIGN_LEN_MAX];
	size_t len;
	if (put_serial(&body, s, d) < 0)
		return -1;
	buf_append(&body, alg_sha256_rsa, sizeof(alg_sha256_rsa));
	put_name(&body, name);
	put_bytes(&body, DER_SEQUENCE, validity, sizeof(validity) - 1);
	put_name(&body, name);
	if (put_public(&body, s, d) < 0)
		return -1;
	put(&tbs, DER_SEQUENCE, &body);
	if (buf_error(&tbs))
		return diag_fail(d, MVP0001, NULL, "no memory for a certificate");
	if (signer_sign(s, "ota-certificate", SIGN_SHA256, tbs.data, tbs.len, signature, &len, d) < 0)
		return -1;
	buf_append(&all, tbs.data, tbs.len);
	buf_append(&all, alg_sha256_rsa, sizeof(alg_sha256_rsa));
	buf_putc(&bits, 0); /* no bits unused */
	buf_append(&bits, signature, len);
	put(&all, DER_BITS, &bits);
	put(ret_der, DER_SEQUENCE, &all);
	return buf_error(ret_der) ? diag_fail(d, MVP0001, NULL, "no memory for a certificate") : 0;
}

/* IssuerAndSerialNumber of the certificate. */
static int put_issuer(struct buf *b, const struct buf *certificate, struct diag *d)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	const uint8_t *p = certificate->data;
	X509 *c CLEANUP(X509_freep) = d2i_X509(NULL, &p, (long)certificate->len);
	uint8_t *issuer = NULL, *serial = NULL;
	int issuer_len = c ? i2d_X509_NAME(X509_get_issuer_name(c), &issuer) : -1;
	int serial_len = c ? i2d_ASN1_INTEGER(X509_get_serialNumber(c), &serial) : -1;
	if (issuer_len > 0 && serial_len > 0) {
		buf_append(&x, issuer, (size_t)issuer_len);
		buf_append(&x, serial, (size_t)serial_len);
		put(b, DER_SEQUENCE, &x);
	}
	OPENSSL_free(issuer);
	OPENSSL_free(serial);
	return issuer_len > 0 && serial_len > 0 ? 0 : diag_fail(d, MVP0001, NULL, "a certificate cannot be read back");
}

/* ContentInfo of a SignedData without signed attributes (RFC 2315, 9.1): the signature is over the content itself. */
static int put_signed_data(struct buf *ret, struct signer *s, const char *name, const struct buf *certificate, const uint8_t sha256[32],
			   struct diag *d)
{
	struct buf info CLEANUP(buf_fini) = BUF_INIT, infos CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT,
			data CLEANUP(buf_fini) = BUF_INIT, all CLEANUP(buf_fini) = BUF_INIT;
	uint8_t signature[SIGN_LEN_MAX];
	size_t len;
	buf_append(&info, version_1, sizeof(version_1));
	if (put_issuer(&info, certificate, d) < 0 || signer_sign_sha256(s, name, sha256, signature, &len, d) < 0)
		return -1;
	buf_append(&info, alg_sha256, sizeof(alg_sha256));
	buf_append(&info, alg_rsa, sizeof(alg_rsa));
	put_bytes(&info, DER_OCTETS, signature, len);
	put(&infos, DER_SEQUENCE, &info);

	buf_append(&body, version_1, sizeof(version_1));
	put_bytes(&body, DER_SET, alg_sha256, sizeof(alg_sha256));
	put_bytes(&body, DER_SEQUENCE, oid_data, sizeof(oid_data));
	put(&body, DER_CONTEXT_0, certificate);
	put(&body, DER_SET, &infos);
	put(&data, DER_SEQUENCE, &body);
	buf_append(&all, oid_signed_data, sizeof(oid_signed_data));
	put(&all, DER_CONTEXT_0, &data);
	put(ret, DER_SEQUENCE, &all);
	return 0;
}

int ota_comment(struct signer *s, const char *name, const struct buf *certificate, const uint8_t sha256[32], struct buf *ret,
		struct diag *d)
{
	struct buf der CLEANUP(buf_fini) = BUF_INIT;
	if (put_signed_data(&der, s, name, certificate, sha256, d) < 0)
		return -1;
	buf_append(ret, label, sizeof(label)); /* with its NUL */
	buf_append(ret, der.data, der.len);
	size_t start = der.len + 6; /* of the DER, from the file's end */
	buf_le16(ret, (uint16_t)start);
	buf_le16(ret, 0xffff);
	buf_le16(ret, (uint16_t)(sizeof(label) + start));
	/* A reader looks for the archive's end from behind. */
	if (buf_error(&der) || buf_error(ret) || ret->len > UINT16_MAX || memmem(ret->data, ret->len, "PK\5\6", 4))
		return diag_fail(d, MVP0001, NULL, "the signature of an update package cannot be its comment");
	return 0;
}

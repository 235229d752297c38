/* COSE_Sign1 messages (RFC 9052, 4.2) signed with ES256 (RFC 9053, 2.1), in the one form that mvp/order.h describes. */
#ifndef IMAGEGEN_COSE_H
#define IMAGEGEN_COSE_H

#include <openssl/types.h>

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"
#include "imagegen/sign/sign.h"
#include "mvp/identity.h"
#include "mvp/order.h"

#define COSE_TYPE_MAX 63

struct cose {
	char type[COSE_TYPE_MAX + 1]; /* the content type */
	const uint8_t *payload;       /* borrowed from the message, as is the signature */
	size_t payload_len;
	const uint8_t *signature; /* MVP_P256_SIGNATURE_LEN bytes */
};

/* NULL, or what keeps it from being such a message. The signature is not verified. */
const char *cose_parse(const uint8_t *message, size_t len, struct cose *ret_c);
bool cose_verify(const struct cose *c, EVP_PKEY *public_key);

/* Appends the signed message to out. name: of what is signed, as signer_sign() wants it. */
MUST_USE int cose_sign(struct signer *s, const char *name, const char *type, const void *payload, size_t payload_len, struct buf *out,
		       struct diag *d);

/* Keys on P-256 as points (SEC 1, 2.3.3, uncompressed). p256_key: NULL if it is not a point of the curve; the caller frees it. p256_point:
 * false if the key is on no or another curve. */
EVP_PKEY *p256_key(const uint8_t point[MVP_P256_POINT_LEN]);
bool p256_point(EVP_PKEY *key, uint8_t ret_point[MVP_P256_POINT_LEN]);

#endif

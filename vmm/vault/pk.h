/* Public keys: RSA signatures (RFC 8017, 8.2.2: PKCS #1 v1.5 with SHA-256) and ECDSA on P-256 (FIPS 186-4; nonces by RFC 6979). What is
 * secret is BearSSL's, and does not show in the time that it takes. Each but pk_p256_verify is one long computation: a job does at most one
 * in a step (millions of instructions, gcc 12 and BearSSL 0.6: RSA-4096 verify 2.5; P-256 public 3.4, sign 4.3). CPU 0 only. */
#ifndef VAULT_PK_H
#define VAULT_PK_H

#include "mvp/identity.h"
#include "sha256.h"

#define PK_P256_SECRET_LEN 32
#define PK_RSA_LEN_MIN 256 /* bytes of a modulus */
#define PK_RSA_LEN_MAX 512

/* modulus: big endian, len bytes, a multiple of 8, its first bit set; the exponent is 65537. The signature is as long. */
bool pk_rsa_verify(const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN]);

#define PK_P256_LIMBS 4

struct p256_point {
	uint64_t x[PK_P256_LIMBS], y[PK_P256_LIMBS], z[PK_P256_LIMBS];
};

/* A verification under way. */
struct p256_verify {
	struct p256_point table[3], sum; /* the generator, the key, both */
	uint64_t u[2][PK_P256_LIMBS], r[PK_P256_LIMBS];
	unsigned bits; /* that are left */
};

/* Points are uncompressed. False if that is enough to know: the point is not on the curve, or the signature out of range. */
bool pk_p256_verify_begin(struct p256_verify *v, const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
			  const uint8_t signature[MVP_P256_SIGNATURE_LEN]);
bool pk_p256_verify_step(struct p256_verify *v, unsigned bits); /* of the 256 that there are; true: it can end */
bool pk_p256_verify_end(const struct p256_verify *v);

/* secret: big endian. False, and nothing written, unless 0 < secret < order of the curve. */
bool pk_p256_sign(const uint8_t secret[PK_P256_SECRET_LEN], const uint8_t digest[SHA256_LEN],
		  uint8_t ret_signature[MVP_P256_SIGNATURE_LEN]);
bool pk_p256_is_point(const uint8_t point[MVP_P256_POINT_LEN]); /* on the curve, and not its zero */
bool pk_p256_public(const uint8_t secret[PK_P256_SECRET_LEN], uint8_t ret_point[MVP_P256_POINT_LEN]);

#endif

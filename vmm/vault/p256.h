/* ECDSA on P-256 with SHA-256 (FIPS 186-5; the curve: SP 800-186, 3.2.1.3; nonces: RFC 6979). All of it takes the same time and the same
 * way through memory for all secrets. Signing and verifying are cut into steps: begin, steps of some bits of the 256 that there are until
 * it can end, end. One addition of points is some 5,000 instructions, a bit is two of them. */
#ifndef VAULT_P256_H
#define VAULT_P256_H

#include "mvp/identity.h"
#include "sha256.h"

#define P256_SECRET_LEN 32
#define P256_LIMBS 4

/* Homogeneous: (x / z, y / z), in Montgomery's form; z = 0 is the curve's zero. */
struct p256_point {
	uint64_t x[P256_LIMBS], y[P256_LIMBS], z[P256_LIMBS];
};

/* A sum of multiples of points under way: of table[1] u[0] times, of table[2] u[1] times. */
struct p256_sum {
	struct p256_point table[4], sum; /* the curve's zero; the two; both */
	uint64_t u[2][P256_LIMBS];
	unsigned bits; /* that are left */
};

struct p256_verify {
	struct p256_sum sum;
	uint64_t r[P256_LIMBS];
};

/* Points are uncompressed. False if that is enough to know: the point is not on the curve, or the signature out of range. */
bool p256_verify_begin(struct p256_verify *v, const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
		       const uint8_t signature[MVP_P256_SIGNATURE_LEN]);
bool p256_verify_step(struct p256_verify *v, unsigned bits);
bool p256_verify_end(const struct p256_verify *v);

/* A signature under way: as secret as the key. */
struct p256_sign {
	struct p256_sum sum;
	uint64_t nonce[P256_LIMBS], digest[P256_LIMBS], r[P256_LIMBS];
	bool has_r;
};

/* secret: big endian. False unless 0 < secret < order of the curve. */
bool p256_sign_begin(struct p256_sign *s, const uint8_t secret[P256_SECRET_LEN], const uint8_t digest[SHA256_LEN]);
bool p256_sign_step(struct p256_sign *s, unsigned bits);
/* The same secret; s is wiped. False for the one nonce of 2^256 that makes no signature. */
bool p256_sign_end(struct p256_sign *s, const uint8_t secret[P256_SECRET_LEN], uint8_t ret_signature[MVP_P256_SIGNATURE_LEN]);

bool p256_is_point(const uint8_t point[MVP_P256_POINT_LEN]); /* on the curve, and not its zero */
/* In one piece, as long as a signature. False unless 0 < secret < order of the curve. */
bool p256_public(const uint8_t secret[P256_SECRET_LEN], uint8_t ret_point[MVP_P256_POINT_LEN]);

#endif

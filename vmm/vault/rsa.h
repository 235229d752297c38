/* Verification of RSA signatures (RFC 8017, 8.2.2: PKCS #1 v1.5 with SHA-256). */
#ifndef VAULT_RSA_H
#define VAULT_RSA_H

#include "modular.h"
#include "sha256.h"

#define RSA_LEN_MIN 256 /* bytes of a modulus */
#define RSA_LEN_MAX (8 * LIMBS_MAX)

/* A verification under way; it stays where it is. */
struct rsa_verify {
	struct modulus m;
	uint64_t n[LIMBS_MAX], signature[LIMBS_MAX], power[LIMBS_MAX];
	uint8_t digest[SHA256_LEN];
	unsigned squarings, done; /* to make 2^(128 limbs); multiplications */
};

/* modulus: big endian, len bytes, a multiple of 8, its first bit set; the exponent is 65537. The signature is as long. False if that is
 * enough to know that it is wrong. */
bool rsa_verify_begin(struct rsa_verify *v, const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN]);
bool rsa_verify_step(struct rsa_verify *v); /* one multiplication, some 70,000 instructions for 4096 bits; true: it can end */
bool rsa_verify_end(const struct rsa_verify *v);

#endif

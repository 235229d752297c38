/* SHA-256 (FIPS 180-4), HMAC keys and PBKDF2 (RFC 8018) cut into steps. Constant time: the compression uses the CPU's instructions. */
#ifndef VAULT_SHA256_H
#define VAULT_SHA256_H

#include "lib.h"

#define SHA256_LEN 32
#define SHA256_BLOCK 64

/* Compresses count blocks into state. sha256_ce.c; needs the CPU's SHA-256 instructions (a host program supplies its own). */
void sha256_compress(uint32_t state[8], const uint8_t *blocks, size_t count);

struct sha256 {
	uint32_t state[8];
	uint8_t buf[SHA256_BLOCK];
	uint64_t len;
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_LEN]); /* and wipes s */

/* HMAC-SHA256 (RFC 2104). */
struct hmac_sha256 {
	struct sha256 inner;
	uint32_t outer[8]; /* state after the outer key block */
};
void hmac_sha256_init(struct hmac_sha256 *h, const uint8_t *key, size_t key_len);
void hmac_sha256_add(struct hmac_sha256 *h, const void *data, size_t len);
void hmac_sha256_end(struct hmac_sha256 *h, uint8_t ret_mac[SHA256_LEN]); /* and wipes h */
void hmac_sha256(const uint8_t *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[SHA256_LEN]);

/* PBKDF2-HMAC-SHA256 in steps. An iteration costs two compressions, because the padded keys are compressed once (RFC 2104, section 4). */
struct pbkdf2 {
	uint32_t inner[8], outer[8]; /* HMAC states after the key block */
	uint32_t u[8], t[8];
	uint8_t salt[64];
	size_t salt_len;
	uint32_t iterations, left; /* left of the current output block */
	size_t out_at, out_len;
	uint8_t out[64];
};
/* salt_len <= 64, out_len <= 64 and a multiple of 32, iterations >= 1. */
void pbkdf2_start(struct pbkdf2 *k, const uint8_t *password, size_t password_len, const uint8_t *salt, size_t salt_len, uint32_t iterations,
		  size_t out_len);
/* At most count iterations; true when out is complete. */
bool pbkdf2_step(struct pbkdf2 *k, uint32_t count);

#endif

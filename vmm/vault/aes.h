/* AES-256-XTS (FIPS 197, IEEE 1619). aes_ce.c; needs the CPU's AES instructions, whose time does not depend on data. */
#ifndef VAULT_AES_H
#define VAULT_AES_H

#include "lib.h"

#define AES_ROUNDS 14
#define XTS_KEY_LEN 64

struct aes_xts_key {
	uint8_t encrypt[AES_ROUNDS + 1][16]; /* round keys of the data key */
	uint8_t decrypt[AES_ROUNDS + 1][16]; /* the same for the equivalent inverse cipher */
	uint8_t tweak[AES_ROUNDS + 1][16];
};

/* key: 32 bytes for data, then 32 for the tweak. */
void aes_xts_set_key(struct aes_xts_key *k, const uint8_t key[XTS_KEY_LEN]);

/* One data unit in place: len bytes, a multiple of 16, whose tweak is the little-endian number iv. */
void aes_xts_encrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len);
void aes_xts_decrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len);

#endif

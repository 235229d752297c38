/* Sector arithmetic of an aes-xts-plain64 disk (LUKS2 segment): a view's bytes to data units and tweaks. */
#ifndef VAULT_CRYPT_H
#define VAULT_CRYPT_H

#include "aes.h"

struct crypt {
	struct aes_xts_key key;
	uint32_t unit;    /* bytes of a data unit: 512, 1024, 2048 or 4096 */
	uint64_t iv_base; /* iv_tweak of the segment, in 512-byte units */
};

/* In place; sector (512 bytes, from the start of the segment) and len are multiples of the unit. */
void crypt_encrypt(const struct crypt *c, uint64_t sector, uint8_t *data, size_t len);

/* A piece of scattered memory. */
struct seg {
	uint8_t *at;
	uint32_t len;
};

/* The same for decryption, in place over segments that may cut a data unit anywhere; scratch has 4096 bytes. Bytes beyond the last whole
 * unit stay as they are. */
void crypt_decrypt(const struct crypt *c, uint64_t sector, const struct seg *segs, size_t segs_count, uint8_t *scratch);

#endif

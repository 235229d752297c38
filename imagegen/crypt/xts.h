/* AES-256-XTS (IEEE 1619) over runs of sectors, as dm-crypt's aes-xts-plain64 does it: the IV counts 512-byte units. */
#ifndef IMAGEGEN_XTS_H
#define IMAGEGEN_XTS_H

#include "imagegen/base/base.h"

struct xts; /* a key; immutable, any thread may use it */

/* key is copied: 32 bytes data key, 32 bytes tweak key, which must differ. sector_len: 512..4096. Aborts when memory runs out. */
struct xts *xts_new(const uint8_t key[64], size_t sector_len);
void xts_free(struct xts *x); /* wipes the key; NULL is fine */
DEFINE_FREEP(struct xts, xts_free)

/* In place; at and len are multiples of the sector, at counts from the start of the area that the IVs count from. */
void xts_encrypt(const struct xts *x, uint64_t at, uint8_t *data, size_t len);

#endif

/* LUKS2 containers (LUKS2 On-Disk Format Specification 1.1.4): the binary header and the constants of the containers we write.
 * Shared by imagegen and the vault; freestanding. Integers of the binary header are big endian.
 *
 * Layout: binary header, JSON area (together hdr_size bytes), the same again as a secondary copy, key slot areas, payload.
 * Our containers: one JSON object, compact, NUL-terminated in its area; one segment "0" of type crypt at MVP_LUKS2_DATA_OFFSET, size
 * "dynamic", aes-xts-plain64, sector_size 4096, iv_tweak "0"; key slots of type luks2 with kdf pbkdf2 / sha256 (32-byte salt), af luks1 /
 * sha256 with MVP_LUKS2_STRIPES stripes, area raw, aes-xts-plain64 with a 64-byte key; one digest pbkdf2 / sha256. Integers above 32 bits
 * are decimal strings in JSON, binary is Base64.
 *
 * Unlocking a slot: K = PBKDF2-SHA256(passphrase, kdf.salt, kdf.iterations, 64 bytes); the area's key_size * stripes bytes are decrypted
 * with K in 512-byte sectors numbered from 0 at the area's start; the stripes are merged to the volume key (H1 below); it is right if
 * PBKDF2-SHA256(volume key, digest.salt, digest.iterations, 32 bytes) equals digest.digest.
 *
 * Merge: d = 0; for each of the first stripes-1 blocks s: d = H1(d xor s); key = d xor the last block. H1 cuts its block in 32-byte pieces
 * and replaces piece j with SHA-256(big-endian 32-bit j, piece).
 *
 * Payload: byte at (from the start of the segment) belongs to the 4096-byte sector at / 4096, whose XTS tweak is the little-endian 128-bit
 * number (at / 4096) * 8: the IV counts 512-byte units whatever the sector size. The first 32 bytes of the volume key are the data key,
 * the other 32 the tweak key. */
#ifndef MVP_LUKS2_H
#define MVP_LUKS2_H

#include <stdint.h>

#define MVP_LUKS2_MAGIC_1ST "LUKS\xba\xbe"
#define MVP_LUKS2_MAGIC_2ND "SKUL\xba\xbe"
#define MVP_LUKS2_MAGIC_LEN 6
#define MVP_LUKS2_VERSION 2
#define MVP_LUKS2_BIN_SIZE 4096 /* of the binary header; the JSON area follows */
#define MVP_LUKS2_CSUM_AT 448   /* the checksum covers hdr_size bytes with these MVP_LUKS2_CSUM_LEN bytes zero */
#define MVP_LUKS2_CSUM_LEN 64   /* SHA-256 uses the first 32, the rest is 0 */

/* What we write. Readers take any hdr_size of 16 KiB << 0..8. */
#define MVP_LUKS2_HDR_SIZE 0x4000
#define MVP_LUKS2_HDR_SIZE_MAX 0x400000
#define MVP_LUKS2_DATA_OFFSET 0x1000000                 /* of the payload: 16 MiB */
#define MVP_LUKS2_SLOT_AREA_AT (2 * MVP_LUKS2_HDR_SIZE) /* of the first slot's area */
#define MVP_LUKS2_KEY_LEN 64                            /* AES-256-XTS: two keys of 32 bytes */
#define MVP_LUKS2_STRIPES 4000
#define MVP_LUKS2_SLOT_AREA_LEN 258048 /* MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES, rounded up to 4096 */
#define MVP_LUKS2_SALT_LEN 32
#define MVP_LUKS2_DIGEST_LEN 32
#define MVP_LUKS2_SLOT_SECTOR 512 /* XTS sector inside key slot areas, whatever the segment's */
#define MVP_LUKS2_SECTOR 4096     /* XTS sector of the payload */
#define MVP_LUKS2_IV_UNIT 512     /* bytes per step of the payload's IV */
#define MVP_LUKS2_ITERATIONS_MIN 1000
#define MVP_LUKS2_ITERATIONS_MAX 100000000

struct mvp_luks2_header {
	uint8_t magic[MVP_LUKS2_MAGIC_LEN]; /* 1ST at byte 0, 2ND at byte hdr_size */
	uint16_t version;
	uint64_t hdr_size; /* with the JSON area */
	uint64_t seqid;    /* equal in both copies */
	uint8_t label[48];
	uint8_t checksum_alg[32]; /* "sha256" */
	uint8_t salt[64];         /* differs between the copies */
	uint8_t uuid[40];         /* 36 ASCII characters */
	uint8_t subsystem[48];
	uint64_t hdr_offset; /* 0 or hdr_size: where this copy lies */
	uint8_t padding[184];
	uint8_t csum[MVP_LUKS2_CSUM_LEN];
	uint8_t padding_4096[3584];
} __attribute__((packed));

_Static_assert(sizeof(struct mvp_luks2_header) == MVP_LUKS2_BIN_SIZE, "LUKS2 binary header");
_Static_assert(__builtin_offsetof(struct mvp_luks2_header, csum) == MVP_LUKS2_CSUM_AT, "LUKS2 checksum");

#endif

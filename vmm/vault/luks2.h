/* Reads LUKS2 containers (mvp/luks2.h): header copies, metadata, key slots. Portable, no I/O: the caller reads and feeds. */
#ifndef VAULT_LUKS2_H
#define VAULT_LUKS2_H

#include "json.h"
#include "mvp/luks2.h"
#include "sha256.h"

#define LUKS2_SLOTS_MAX 8
#define LUKS2_JSON_MAX 0x10000 /* of JSON text that we read; longer metadata is refused */

/* The binary header of one copy. */
struct luks2_copy {
	uint64_t hdr_size, seqid;
	uint8_t csum[SHA256_LEN];
};
/* bin: MVP_LUKS2_BIN_SIZE bytes read at `at`. at is 0 for the primary copy. Zeroes the checksum field in bin, as the checksum wants it. */
bool luks2_check_binary(uint8_t *bin, uint64_t at, struct luks2_copy *ret_copy);

/* A key slot that can be tried: PBKDF2-SHA256, 64-byte key, bound to the payload's segment by a digest. */
struct luks2_keyslot {
	uint32_t number;
	uint32_t iterations;
	uint8_t salt[64];
	uint32_t salt_len;
	uint64_t area_at, area_len; /* bytes in the container */
	uint32_t digest;            /* index into luks2.digest */
};

struct luks2_digest {
	uint32_t iterations;
	uint8_t salt[64];
	uint32_t salt_len;
	uint8_t digest[MVP_LUKS2_DIGEST_LEN];
};

struct luks2 {
	uint64_t payload_at, payload_len; /* bytes in the container */
	uint32_t sector_size;
	uint64_t iv_tweak;
	uint32_t slots_count;
	struct luks2_keyslot slot[LUKS2_SLOTS_MAX];
	struct luks2_digest digest[LUKS2_SLOTS_MAX];
};

/* text: the JSON area (up to its NUL, at most len bytes). container_len: of the partition. NULL, or what is wrong or not supported.
 * j is scratch space. */
const char *luks2_parse(struct json *j, const char *text, size_t len, const struct luks2_copy *copy, uint64_t container_len,
			struct luks2 *ret_luks2);

/* Anti-forensic merge of MVP_LUKS2_STRIPES blocks of 64 bytes, fed in order; wipe it when done. */
struct luks2_merge {
	uint8_t d[MVP_LUKS2_KEY_LEN];
	uint32_t stripe;
};
/* len is a multiple of 64; stops by itself behind the last stripe: then d is the key and the result is true. */
bool luks2_merge_feed(struct luks2_merge *m, const uint8_t *data, size_t len);

#endif

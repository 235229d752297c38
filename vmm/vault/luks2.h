/* Reads LUKS2 containers (mvp/luks2.h): header copies, metadata, key slots. Portable, no I/O: the caller reads and feeds. */
#ifndef VAULT_LUKS2_H
#define VAULT_LUKS2_H

#include "json.h"
#include "mvp/luks2.h"
#include "sha256.h"

#define LUKS2_SLOTS_MAX 8
#define LUKS2_UUID_LEN 36
#define LUKS2_JSON_MAX 0x10000 /* of JSON text that we read; longer metadata is refused */

/* The binary header of one copy. */
struct luks2_copy {
	uint64_t at, hdr_size, seqid;
	uint8_t csum[SHA256_LEN];
	char uuid[LUKS2_UUID_LEN + 1];
};
/* bin: MVP_LUKS2_BIN_SIZE bytes read at `at`, at least. at is 0 for the primary copy. Zeroes the checksum field in bin, as the checksum
 * wants it. */
bool luks2_check_binary(uint8_t *bin, uint64_t at, struct luks2_copy *ret_copy);

/* A key slot that can be tried: PBKDF2-SHA256, 64-byte key, bound to the payload's segment by a digest. */
struct luks2_keyslot {
	uint32_t number;
	uint32_t iterations;
	uint8_t salt[64];
	uint32_t salt_len;
	uint64_t area_at, area_len; /* bytes in the container */
	uint32_t digest;            /* index into luks2.digest */
	bool passcode, bound;       /* a token says that it takes the passcode; and as mvp/identity.h binds that to the device */
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
	char uuid[LUKS2_UUID_LEN + 1];
	uint64_t copy_at, hdr_size, seqid; /* of the header copy that all this is from */
	uint32_t slots_count;              /* if a token says which slots take the passcode, only these are here */
	struct luks2_keyslot slot[LUKS2_SLOTS_MAX];
	struct luks2_digest digest[LUKS2_SLOTS_MAX];
};

/* text: the JSON area (up to its NUL, at most len bytes). container_len: of the partition. NULL, or what is wrong or not supported.
 * j is scratch space. */
const char *luks2_parse(struct json *j, const char *text, size_t len, const struct luks2_copy *copy, uint64_t container_len,
			struct luks2 *ret_luks2);

/* What changes when a slot gets another passcode: everything else of the metadata stays as it is, byte for byte. */
struct luks2_change {
	uint32_t slot; /* its number */
	uint64_t area_at;
	uint8_t salt[MVP_LUKS2_SALT_LEN];
	bool bound;
};
/* A place for the slot's new key material that no slot of the metadata uses. False if there is none. len: of the text, without its NUL. */
bool luks2_free_area(struct json *j, const char *text, size_t len, const struct luks2_copy *copy, const struct luks2 *l, uint64_t *ret_at);
/* Writes the changed text to out, NUL-terminated; size is that of the JSON area. NULL, or why not. j is scratch space. */
const char *luks2_edit(struct json *j, const char *text, size_t len, const struct luks2_change *change, char *out, size_t size);
/* Makes header a sound copy that lies at `at`: hdr_size bytes, the binary header as it was read from any copy, the text in its area. */
void luks2_seal(uint8_t *header, uint64_t hdr_size, uint64_t at, uint64_t seqid, const uint8_t salt[64]);

/* Anti-forensic split of a key, in order: turns random bytes into stripes, and the last stripe into what gives the key. Wipe it when done.
 */
struct luks2_split {
	uint8_t d[MVP_LUKS2_KEY_LEN];
	uint32_t stripe;
};
/* len is a multiple of 64; what lies behind the last stripe stays as it is. */
void luks2_split_feed(struct luks2_split *s, const uint8_t key[MVP_LUKS2_KEY_LEN], uint8_t *data, size_t len);

/* Anti-forensic merge of MVP_LUKS2_STRIPES blocks of 64 bytes, fed in order; wipe it when done. */
struct luks2_merge {
	uint8_t d[MVP_LUKS2_KEY_LEN];
	uint32_t stripe;
};
/* len is a multiple of 64; stops by itself behind the last stripe: then d is the key and the result is true. */
bool luks2_merge_feed(struct luks2_merge *m, const uint8_t *data, size_t len);

#endif

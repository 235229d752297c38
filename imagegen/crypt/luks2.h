/* LUKS2 container writer (LUKS2 On-Disk Format Specification 1.1.4): aes-xts-plain64, AES-256, 4096-byte sectors, PBKDF2-SHA256 slots. */
#ifndef IMAGEGEN_LUKS2_H
#define IMAGEGEN_LUKS2_H

#include "imagegen/base/base.h"

struct luks2_opts {
	const uint8_t *secret; /* passcode bytes, borrowed */
	size_t secret_len;
	uint8_t master[32];  /* every key, salt and UUID derives from it by HKDF-SHA256 ... */
	uint8_t context[32]; /* ... and from this digest of all that the plaintext is made from, so different content never shares a key */
	uint32_t iterations; /* PBKDF2 of the passcode's key slot */
	const uint8_t *recovery; /* secret of a second slot, with 256 random bits or more, borrowed; NULL: there is no such slot */
	size_t recovery_len;
	const uint8_t *envelope; /* with recovery, or NULL: the same secret for whoever may have it, at most ESCROW_MAX bytes, borrowed */
	size_t envelope_len;
	const char *label; /* at most 47 bytes */
	bool keep_holes;   /* holes of the plaintext stay holes; default is ciphertext everywhere */
};

/* Tokens say what the slots are for: "mvp-passcode" (mvp/identity.h) and "mvp-recovery", whose member "escrow" is the envelope in Base64.
 *
 * The container as an image: header and key slots in front, then the payload, encrypted as it is read (by any thread).
 * plain is borrowed (a reference is taken); its length must be a multiple of 4096. Payload offset is 16 MiB. */
MUST_USE int luks2_wrap(struct image *plain, const struct luks2_opts *opts, struct image **ret_img, struct diag *d);

/* Bytes in front of the payload. */
#define LUKS2_DATA_OFFSET ((uint64_t)16 << 20)

/* What the header of an existing container says. No secret is needed. */
struct luks2_info {
	char label[48];
	char uuid[41];
	uint64_t hdr_size, seqid;
	bool copy_ok[2];  /* checksum of the primary and of the secondary header; at least one holds */
	char cipher[64];  /* of the payload, as "aes-xts-plain64" */
	uint64_t data_at; /* byte offset of the payload */
	uint32_t sector_size;
	struct luks2_slot {
		char id[11];         /* its decimal number */
		char kdf[16];        /* "pbkdf2", "argon2i", "argon2id" */
		uint64_t cost;       /* pbkdf2: iterations; argon2: passes */
		uint64_t memory_kib; /* argon2 */
		uint32_t key_len;    /* bytes */
	} slots[32];
	size_t slots_count;
};
/* Reads the header; label names the image in diagnostics. Nothing is repaired: what copy_ok says is the caller's to judge. */
MUST_USE int luks2_read_info(const struct image *img, const char *label, struct luks2_info *ret_info, struct diag *d);
/* Does it begin with the magic of a LUKS2 header? False also when it cannot be read. */
bool luks2_is(const struct image *img);

/* HKDF-SHA256 (RFC 5869): out_len bytes from master, salted with context, for the purpose named by info. */
void derive(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t *out, size_t out_len);
/* The same as a version 4 (random) UUID, in RFC 4122 byte order. */
void derive_uuid(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t ret_uuid[16]);

#endif

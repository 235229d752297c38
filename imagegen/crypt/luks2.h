/* LUKS2 container writer (LUKS2 On-Disk Format Specification 1.1.4): aes-xts-plain64, AES-256, 4096-byte sectors, PBKDF2-SHA256 slots. */
#ifndef IMAGEGEN_LUKS2_H
#define IMAGEGEN_LUKS2_H

#include "imagegen/base/base.h"

struct luks2_opts {
	const uint8_t *secret; /* passcode bytes, borrowed */
	size_t secret_len;
	uint8_t master[32]; /* every key, salt and UUID derives from it by HKDF-SHA256 ... */
	uint8_t context[32]; /* ... and from this digest of all that the plaintext is made from, so different content never shares a key */
	uint32_t iterations; /* PBKDF2 of the key slot */
	const char *label; /* at most 47 bytes */
	bool keep_holes; /* holes of the plaintext stay holes; default is ciphertext everywhere */
};

/* The container as an image: header and key slots in front, then the payload, encrypted as it is read (by any thread).
 * plain is borrowed (a reference is taken); its length must be a multiple of 4096. Payload offset is 16 MiB. */
MUST_USE int luks2_wrap(struct image *plain, const struct luks2_opts *opts, struct image **ret_img, struct diag *d);

/* Bytes in front of the payload. */
#define LUKS2_DATA_OFFSET ((uint64_t)16 << 20)

/* HKDF-SHA256 (RFC 5869): out_len bytes from master, salted with context, for the purpose named by info. */
void derive(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t *out, size_t out_len);
/* The same as a version 4 (random) UUID, in RFC 4122 byte order. */
void derive_uuid(const uint8_t master[32], const uint8_t context[32], const char *info, uint8_t ret_uuid[16]);

#endif

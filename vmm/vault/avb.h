/* Reads vbmeta images (Android Verified Boot 2.0, external/avb: libavb/avb_vbmeta_image.h and the descriptors' headers). Portable, no I/O,
 * strict: what an honest signer would not write is refused. In the order of the functions: nothing is believed before it is signed. */
#ifndef VAULT_AVB_H
#define VAULT_AVB_H

#include "mvp/avb.h"
#include "rsa.h"

#define AVB_SALT_MAX 64

struct avb {
	const uint8_t *auxiliary;
	uint64_t descriptors_at, descriptors_len; /* in the auxiliary block */
	const uint8_t *modulus, *signature;
	size_t modulus_len;
	uint8_t digest[SHA256_LEN]; /* of what is signed */
	uint64_t rollback_index;
};

/* image: len bytes of the partition, at most MVP_AVB_VBMETA_MAX of it; ret_avb points into it. key_digest: SHA-256 of the public key that
 * must have signed it. NULL, or what is wrong. */
const char *avb_read(const uint8_t *image, size_t len, const uint8_t key_digest[SHA256_LEN], struct avb *ret_avb);

/* Whether it is signed: rsa.h. */
bool avb_verify_begin(const struct avb *a, struct rsa_verify *v);

/* What is signed of a partition's content: digest = SHA-256(salt, its first image_size bytes). */
struct avb_hash {
	uint64_t image_size;
	uint8_t salt[AVB_SALT_MAX];
	uint32_t salt_len;
	uint8_t digest[SHA256_LEN];
};
/* The one hash descriptor of this partition. NULL, or what is wrong. */
const char *avb_find_hash(const struct avb *a, const char *partition, struct avb_hash *ret_hash);

#endif

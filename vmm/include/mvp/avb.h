/* vbmeta images of Android Verified Boot 2.0 (external/avb: libavb/avb_vbmeta_image.h, avb_hash_descriptor.h): what the vault reads of
 * them. Freestanding. Integers are big endian. An image is a header, an authentication block and an auxiliary block; signed are the header
 * and the auxiliary block. The vault takes what is signed with SHA256_RSA2048 and SHA256_RSA4096. */
#ifndef MVP_AVB_H
#define MVP_AVB_H

#include <stdint.h>

#define MVP_AVB_MAGIC "AVB0"
#define MVP_AVB_MAGIC_LEN 4
#define MVP_AVB_VERSION_MAJOR 1
#define MVP_AVB_VERSION_MINOR 3    /* the highest that is understood */
#define MVP_AVB_VBMETA_MAX 0x10000 /* bytes of an image */
#define MVP_AVB_BLOCK 64           /* both blocks are multiples of it */

enum mvp_avb_algorithm { MVP_AVB_NONE = 0, MVP_AVB_SHA256_RSA2048 = 1, MVP_AVB_SHA256_RSA4096 = 2 };

struct mvp_avb_header {
	uint8_t magic[MVP_AVB_MAGIC_LEN];
	uint32_t version_major, version_minor; /* of the libavb that it needs */
	uint64_t authentication_size, auxiliary_size;
	uint32_t algorithm;
	uint64_t hash_offset, hash_size, signature_offset, signature_size; /* in the authentication block */
	uint64_t key_offset, key_size, key_metadata_offset, key_metadata_size, descriptors_offset,
		descriptors_size; /* in the auxiliary one */
	uint64_t rollback_index;
	uint32_t flags; /* 1: hash trees are disabled, 2: nothing is to be verified */
	uint32_t rollback_location;
	uint8_t release[48];
	uint8_t reserved[80];
} __attribute__((packed));

#define MVP_AVB_KEY_HEAD 8 /* of a public key: its bits and -1 / modulus modulo 2^32; then the modulus and 2^(2 bits) modulo it */

struct mvp_avb_descriptor {
	uint64_t tag;
	uint64_t len; /* of what follows; a multiple of 8 */
} __attribute__((packed));

#define MVP_AVB_TAG_HASH 2

struct mvp_avb_hash_descriptor {
	struct mvp_avb_descriptor head;
	uint64_t image_size;
	uint8_t algorithm[32]; /* NUL padded */
	uint32_t name_len, salt_len, digest_len;
	uint32_t flags;
	uint8_t reserved[60];
	/* name, without a NUL; salt; digest; zeros up to a multiple of 8 */
} __attribute__((packed));

_Static_assert(sizeof(struct mvp_avb_header) == 256, "vbmeta header");
_Static_assert(sizeof(struct mvp_avb_hash_descriptor) == 132, "hash descriptor");

#endif

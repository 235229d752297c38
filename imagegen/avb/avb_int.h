/* Layout of vbmeta images (AOSP avb_vbmeta_image.h and avb_*_descriptor.h). Internal to imagegen/avb. */
#ifndef IMAGEGEN_AVB_INT_H
#define IMAGEGEN_AVB_INT_H

#include "imagegen/avb/avb.h"

#define AVB_MAGIC "AVB0"
#define AVB_FOOTER_MAGIC "AVBf"

enum {
	AVB_HEADER_LEN = 256,
	AVB_UNIT = 64, /* blocks are multiples of it */
	AVB_RELEASE_LEN = 48,
	/* Offsets in the header. */
	AVB_AT_MAJOR = 4,
	AVB_AT_MINOR = 8,
	AVB_AT_AUTH_LEN = 12,
	AVB_AT_AUX_LEN = 20,
	AVB_AT_ALGORITHM = 28,
	AVB_AT_HASH = 32, /* offset and length of each, as 64-bit numbers */
	AVB_AT_SIGNATURE = 48,
	AVB_AT_KEY = 64,
	AVB_AT_METADATA = 80,
	AVB_AT_DESCRIPTORS = 96,
	AVB_AT_ROLLBACK = 112,
	AVB_AT_FLAGS = 120,
	AVB_AT_LOCATION = 124,
	AVB_AT_RELEASE = 128,
	/* Lengths of the fixed parts of descriptors, and where in them names are. */
	AVB_PROPERTY_LEN = 32,
	AVB_HASHTREE_LEN = 180,
	AVB_HASH_LEN = 132,
	AVB_CMDLINE_LEN = 24,
	AVB_CHAIN_LEN = 92,
};

/* Of an algorithm's number: RSA bits (0: NONE or unknown) and hash. */
unsigned avb_algorithm(uint32_t number, enum sign_hash *ret_hash);

#endif

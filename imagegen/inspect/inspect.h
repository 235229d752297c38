/* What is inside an image file: partition tables, file systems, containers and boot images, as far as their headers tell. */
#ifndef IMAGEGEN_INSPECT_H
#define IMAGEGEN_INSPECT_H

#include "imagegen/avb/avb.h"
#include "imagegen/base/base.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/gpt/gpt.h"
#include "mvp/identity.h"

enum inspect_kind {
	INSPECT_DATA,
	INSPECT_EMPTY,
	INSPECT_GPT,
	INSPECT_BOOTIMG,
	INSPECT_LUKS2,
	INSPECT_EXT4,
	INSPECT_KERNEL,
	INSPECT_IDENTITY,
	INSPECT_STATE,
	INSPECT_VBMETA,
	INSPECT_SUPER,
};

struct inspect_part;
struct inspect {
	enum inspect_kind kind;
	uint64_t len, data_len;     /* bytes; data_len: what is not a hole in the file */
	bool sparse;                /* these are of what it describes */
	struct inspect_part *parts; /* INSPECT_GPT, INSPECT_SUPER: of which only name and length count */
	size_t parts_count;
	struct bootimg_info boot;
	struct avb_info vbmeta; /* whether the signature holds: mvpctl verify */
	char *vouches;          /* of a vbmeta image: the partitions that it is about, "boot, system" */
	struct inspect_property {
		char *key, *value; /* printable */
	} * properties;            /* of a vbmeta image */
	size_t properties_count, properties_cap;
	struct luks2_info luks2;
	struct mvp_identity identity; /* whether it is genuine cannot be seen without the device key */
	struct {
		char label[17];
		uint8_t uuid[16];
		uint64_t blocks, free_blocks;
		uint32_t block_len;
	} ext4;
};
struct inspect_part {
	struct gpt_entry entry;
	struct inspect content;
};

/* The file at path as an image; its holes are found. */
MUST_USE int inspect_open(const char *path, struct image **ret_img, struct diag *d);
/* Looks into partitions of partitions, too. A damaged header is an error, except that one of an inner thing makes only a warning and its
 * content INSPECT_DATA. */
MUST_USE int inspect_image(struct image *img, const char *label, struct inspect *ret, struct diag *d);
void inspect_fini(struct inspect *i);
const char *inspect_kind_name(enum inspect_kind kind); /* "GPT disk", "Android boot image", ... */

#endif

/* GUID partition tables (UEFI 2.10, section 5): sectors of 512 or 4096 bytes, 128 entries, primary and backup. */
#ifndef IMAGEGEN_GPT_H
#define IMAGEGEN_GPT_H

#include "imagegen/base/base.h"
#include "imagegen/base/diag.h"

struct gpt_part {
	const char *name; /* ASCII, at most 36 characters */
	uint8_t type[16]; /* RFC 4122 byte order; gpt_type_linux for most */
	uint8_t uuid[16];
	uint64_t len;      /* bytes of the partition, 0: that of img; rounded up to 1 MiB */
	struct image *img; /* borrowed; NULL or shorter than len: the rest is a hole */
	struct loc loc;    /* what to blame if it does not fit */
	uint64_t attributes;
	uint64_t at; /* set by gpt_compose: byte offset in the disk */
};

extern const uint8_t gpt_type_linux[16]; /* 0FC63DAF-8483-4772-8E79-3D69D8477DE4 */

/* Partitions in the given order, each at a multiple of 1 MiB. disk_len 0: as large as needed. A hole of a partition stays a hole. */
MUST_USE int gpt_compose(struct gpt_part *parts, size_t parts_count, const uint8_t disk_uuid[16], uint64_t disk_len, struct image **ret_img,
			 struct diag *d);
/* The same for a disk whose sectors have sector_len bytes: 512, or 4096 as on UFS. */
MUST_USE int gpt_compose_sectors(struct gpt_part *parts, size_t parts_count, const uint8_t disk_uuid[16], uint64_t disk_len,
				 uint32_t sector_len, struct image **ret_img, struct diag *d);
/* Bytes that the primary table (with the protective MBR) and the backup table take on such a disk. */
uint64_t gpt_front_len(uint32_t sector_len);
uint64_t gpt_back_len(uint32_t sector_len);

/* Reading: the used entries of an image in table order, CRCs checked, none outside the disk or over another one. The size of the sectors is
 * told by where the table is. The backup is read when
 * the primary is damaged (a warning in d says so). ret_entries is malloc'd. */
struct gpt_entry {
	char name[37]; /* non-ASCII characters as '?' */
	uint8_t type[16], uuid[16];
	uint64_t at, len;
	uint64_t attributes;
};
MUST_USE int gpt_read(const struct image *img, const char *label, struct gpt_entry **ret_entries, size_t *ret_count, struct diag *d);
/* Are both tables sound, and do they say the same? MVP0503. */
MUST_USE int gpt_check(const struct image *img, const char *label, struct diag *d);
/* 512, 4096, or 0 when neither place holds the signature of a table. */
MUST_USE int gpt_sector_len(const struct image *img, uint32_t *ret_len, struct diag *d);

#endif

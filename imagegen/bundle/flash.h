/* The handset's flash as bundles lay it out: which partition, which copy of it, where. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_FLASH_H
#define IMAGEGEN_FLASH_H

#include "imagegen/bundle/packer.h"
#include "imagegen/gpt/gpt.h"

struct flash_place {
	size_t part; /* in the bundle */
	unsigned slot;
	char name[40];    /* with the slot's suffix */
	uint64_t at, len; /* bytes on its disk */
};

/* A disk: the storage, or one logical unit of UFS storage. */
struct flash {
	uint32_t sector_len;
	uint32_t lun;
	struct flash_place *places; /* in the order of the disk */
	size_t places_count;
	struct image *frame; /* the disk without its partitions' contents: both partition tables */
};

/* lun < 0: all partitions on one disk, whatever unit they are on. disk_len 0: as large as needed. */
MUST_USE int flash_plan(const struct bundle *b, uint32_t sector_len, int lun, uint64_t disk_len, struct flash *ret, struct diag *d);
void flash_fini(struct flash *f);

static inline unsigned bundle_copies(const struct bundle_part *p)
{
	return p->slots ? 2 : 1;
}

#endif

/* Writing Android's dynamic partitions: a super partition with its metadata (AOSP, system/core/fs_mgr/liblp, metadata_format.h). */
#ifndef IMAGEGEN_LP_WRITE_H
#define IMAGEGEN_LP_WRITE_H

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/lp/lp.h"

#define LP_READONLY 1u /* attribute of a partition */

struct lp_group {
	const char *name;
	uint64_t max_len; /* of its partitions together; 0: no limit */
};

struct lp_new {
	const char *name;
	uint32_t attributes;
	size_t group;      /* 0: default; else 1 + index in groups */
	struct image *img; /* borrowed; NULL: no extent, the partition is empty */
};

struct lp_opts {
	const char *device;    /* "super" */
	uint64_t len;          /* bytes of the super partition; 0: as large as needed */
	uint32_t metadata_len; /* bytes of one copy, a multiple of 512 */
	uint32_t slots;        /* copies */
	bool virtual_ab;       /* the other slot's partitions appear as snapshots when an update is installed */
	const struct lp_group *groups;
	size_t groups_count;
	const struct lp_new *parts;
	size_t parts_count;
	struct loc loc; /* what to blame if it does not fit */
};

/* ret_empty gets what super_empty.img is: geometry and metadata alone. Partitions begin at multiples of 1 MiB. */
MUST_USE int lp_compose(const struct lp_opts *o, struct image **ret_super, struct buf *ret_empty, struct diag *d);

#endif

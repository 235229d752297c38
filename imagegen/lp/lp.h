/* Reading Android's dynamic partitions: the metadata of a super partition (AOSP, system/core/fs_mgr/liblp, metadata_format.h), and the
 * logical partitions it describes as images. */
#ifndef IMAGEGEN_LP_H
#define IMAGEGEN_LP_H

#include "imagegen/base/diag.h"

enum { LP_NAME_MAX = 36 };

struct lp_partition {
	char name[LP_NAME_MAX + 1];
	uint64_t len; /* bytes */
	uint32_t attributes;
	size_t first_extent, extents_count;
};

struct lp;
/* Metadata of slot 0, or its backup when that is damaged (a warning). super: a reference is taken. label is copied. */
MUST_USE int lp_read(struct image *super, const char *label, struct lp **ret_lp, struct diag *d);
void lp_free(struct lp *lp);
DEFINE_FREEP(struct lp, lp_free)

/* In the order of the metadata; valid until lp_free. */
const struct lp_partition *lp_partitions(const struct lp *lp, size_t *ret_count);
/* The partition of that name; an A/B one also by its name without _a. NULL if there is none. */
const struct lp_partition *lp_find(const struct lp *lp, const char *name);
/* Its content; the result outlives lp. */
MUST_USE int lp_image(const struct lp *lp, const struct lp_partition *p, struct image **ret_img, struct diag *d);

#endif

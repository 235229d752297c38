/* Looking into bundles: what is in them, and whether their digests hold. For formats whose content a partition table, a container or a file
 * system does not tell already (imagegen/inspect). */
#ifndef IMAGEGEN_LOOK_H
#define IMAGEGEN_LOOK_H

#include "imagegen/base/diag.h"

struct look_item {
	char *name, *detail;
	uint64_t at, len; /* bytes of the file */
};

struct look {
	const char *kind; /* "Odin package", "partition information table", "KDZ" */
	char *title;      /* one line about the whole */
	struct look_item *items;
	size_t count, cap;
};

/* 0: ret is filled in and every digest in the file is right; 1: the file is no bundle of these formats; -1: it is, and damaged. */
MUST_USE int look_open(const struct image *img, const char *label, struct look *ret, struct diag *d);
void look_fini(struct look *l);

#endif

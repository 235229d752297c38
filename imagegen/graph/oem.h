/* OEM profiles (templates/oem/NAME.yaml): which bundles a maker's tools take, and how large partitions must at least be. */
#ifndef IMAGEGEN_OEM_H
#define IMAGEGEN_OEM_H

#include "imagegen/hyp/profile.h"

struct oem {
	char *path; /* locs name it */
	struct mnum format;
	struct mstr name, summary;
	struct mstrs bundles; /* packers */
	struct {
		struct mnum boot, personal, work;
	} min_size;
};

MUST_USE int oem_load(const struct manifest *m, const struct mstr *name, struct oem **ret_oem, struct diag *d);
void oem_free(struct oem *o);
DEFINE_FREEP(struct oem, oem_free)

#endif

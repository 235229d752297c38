/* A zip of the partitions' images, each an imgfile under its own name, beside whatever else a packer puts there first. Internal to
 * imagegen/bundle. */
#ifndef IMAGEGEN_IMGZIP_H
#define IMAGEGEN_IMGZIP_H

#include "imagegen/bundle/imgfile.h"
#include "imagegen/bundle/output.h"
#include "imagegen/zip/zip.h"

struct imgzip {
	const struct bundle *b; /* must outlive it */
	struct output *out;
	struct zip *zip;       /* for the packer's own members, until the first image comes */
	struct imgfile *files; /* by partition; of the device's own there is none */
	size_t current;
};

/* from_profile, own: as in bundle_name(). On failure it is to be freed, too. */
MUST_USE int imgzip_open(const struct bundle *b, const struct mstr *from_profile, const char *own, struct imgzip *ret, struct diag *d);
bool imgzip_is_sparse(const struct imgzip *z, size_t part);
/* As struct packer's. */
MUST_USE int imgzip_write(struct imgzip *z, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);
MUST_USE int imgzip_finish(struct imgzip *z, const char *format, struct bundle_outputs *outputs, struct diag *d);
void imgzip_fini(struct imgzip *z);

#endif

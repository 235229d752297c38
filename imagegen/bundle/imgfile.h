/* The image of a partition as a file inside a bundle: raw where that is all there is to say, else an Android sparse image. Internal to
 * imagegen/bundle. */
#ifndef IMAGEGEN_IMGFILE_H
#define IMAGEGEN_IMGFILE_H

#include "imagegen/bundle/packer.h"
#include "imagegen/sparse/sparse.h"

struct imgfile {
	uint64_t len;             /* of the file */
	struct sparse_plan *plan; /* NULL: raw */
	struct sparse *writer;    /* while a sparse one is being written */
	struct sparse_sink sink;
};

/* allow_sparse false: raw, holes written as zeros. */
MUST_USE int imgfile_plan(const struct bundle_part *p, bool allow_sparse, struct imgfile *ret, struct diag *d);
void imgfile_begin(struct imgfile *f, const struct sparse_sink *sink);
/* A piece as a packer gets it. */
MUST_USE int imgfile_write(struct imgfile *f, uint64_t at, const void *data, uint64_t len, struct diag *d);
MUST_USE int imgfile_end(struct imgfile *f, struct diag *d);
void imgfile_fini(struct imgfile *f);

#endif

/* What a carrier puts into the personal persona, as one more layer on top of its own. Internal to imagegen/graph. */
#ifndef IMAGEGEN_OVERLAY_H
#define IMAGEGEN_OVERLAY_H

#include "imagegen/manifest/manifest.h"
#include "imagegen/oem/carrier.h"

struct overlay {
	struct persona persona; /* the persona with the layer; what it points at is the manifest's but for layers */
	struct layer *layers;
	struct layer_file *files; /* their texts are the overlay's own */
	size_t files_count;
	uint8_t digest[32]; /* of the files, those of the host by their names; zeros without any */
};

/* m, p and c are borrowed and must outlive ret. A persona without layers of files stays as it is. */
MUST_USE int overlay_init(struct overlay *ret, const struct manifest *m, const struct persona *p, const struct carrier *c, struct diag *d);
void overlay_fini(struct overlay *o);

#endif

/* What a carrier puts into the personal persona, as one more layer on top of its own. Internal to imagegen/graph. */
#ifndef IMAGEGEN_OVERLAY_H
#define IMAGEGEN_OVERLAY_H

#include "imagegen/manifest/manifest.h"
#include "imagegen/oem/carrier.h"

enum { OVERLAY_FILES = 3 };

struct overlay {
	struct persona persona; /* the persona with the layer; what it points at is the manifest's but for layers */
	struct layer *layers;
	struct layer_file files[OVERLAY_FILES];
	char *texts[2 * OVERLAY_FILES];
	uint8_t digest[32]; /* of the files; zeros without any */
};

/* p and c are borrowed and must outlive ret, which must not be moved. A persona without layers stays as it is. */
MUST_USE int overlay_init(struct overlay *ret, const struct persona *p, const struct carrier *c, struct diag *d);
void overlay_fini(struct overlay *o);

#endif

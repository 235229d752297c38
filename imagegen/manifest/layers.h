/* The manifest's list of layers. */
#ifndef IMAGEGEN_MANIFEST_LAYERS_H
#define IMAGEGEN_MANIFEST_LAYERS_H

#include "imagegen/manifest/schema.h"

extern const struct keys layer_keys; /* of one layer */

/* Reads the list into obj, a struct persona. */
void layers_read(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
void layers_free(struct layer *v, size_t count);

#endif

/* Internal to imagegen/manifest. */
#ifndef IMAGEGEN_SECTION_H
#define IMAGEGEN_SECTION_H

#include "imagegen/manifest/manifest.h"
#include "imagegen/manifest/ynode.h"

void sections_find(struct manifest *m, const struct ynode *root);
void sections_fini(struct manifest *m);

#endif

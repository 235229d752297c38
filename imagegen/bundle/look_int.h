/* Internal to imagegen/bundle: formats that look_open() tells apart. Each fills in kind, title and items. */
#ifndef IMAGEGEN_LOOK_INT_H
#define IMAGEGEN_LOOK_INT_H

#include "imagegen/bundle/look.h"

void look_add(struct look *l, const char *name, uint64_t at, uint64_t len, char *detail TAKES);
/* A payload of an update in bytes [at, at + len) of img. */
MUST_USE int look_payload(const struct image *img, uint64_t at, uint64_t len, const char *label, struct look *l, struct diag *d);
MUST_USE int look_zip(const struct image *img, const char *label, struct look *l, struct diag *d);

#endif

/* Images by the names of their partitions, wherever they came from. Internal to imagegen/verify. */
#ifndef IMAGEGEN_VERIFY_SET_H
#define IMAGEGEN_VERIFY_SET_H

#include "imagegen/base/base.h"
#include "imagegen/verify/verify.h"

struct set_image {
	char *name; /* with the slot's suffix if there are slots */
	struct image *img;
};
struct set {
	struct set_image *v;
	size_t count, cap;
};
void set_fini(struct set *s);
void set_add(struct set *s, const char *name, struct image *img); /* takes a reference */
/* The partition of that name and slot suffix ("" or "_a"); NULL if it is not there. */
struct image *set_find(const struct set *s, const char *name, const char *suffix);

/* What a container holds, unpacked where it must be. 1: it holds nothing by name. */
MUST_USE int set_open(struct image *img, const char *label, const struct verify_opts *o, struct set *ret, struct diag *d);

/* Remembers a finding; text is printf's. */
void verify_found(struct verify *r, const char *name, bool open, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif

/* Scatter files of MediaTek's flashing tools (V1.1.2), as far as they say what goes where: a list of `key: value` lines, each entry of
 * which begins with `- partition_index`. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_SCATTER_H
#define IMAGEGEN_SCATTER_H

#include "imagegen/base/base.h"

struct scatter_part {
	char *name;
	char *file;       /* NULL: nothing is written there */
	uint64_t at, len; /* bytes of the flash */
};

struct scatter {
	char *platform, *project, *storage; /* NULL: not said */
	struct scatter_part *parts;
	size_t count, cap;
};

/* NULL, or what is wrong; what ret holds is printable. */
const char *scatter_parse(const uint8_t *data, size_t len, struct scatter *ret);
void scatter_fini(struct scatter *s);

#endif

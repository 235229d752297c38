/* Comparing what two builds made. Internal to imagegen/graph. */
#ifndef IMAGEGEN_REPRO_H
#define IMAGEGEN_REPRO_H

#include "imagegen/base/diag.h"

/* -1 and MVP0834 if the files differ: notes name the extents, the partition and file of the first difference, and what else differs. Work
 * files are made in tmp_dir. */
MUST_USE int repro_compare(const char *path, const char *other, const char *tmp_dir, struct diag *d);

#endif

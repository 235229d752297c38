/* What one key alone cannot say: checks across keys, and against the files of the host. */
#ifndef IMAGEGEN_CHECKS_H
#define IMAGEGEN_CHECKS_H

#include "imagegen/manifest/manifest.h"

/* Runs every check whose values were read; all failures are reported. */
void manifest_check(const struct manifest *m, struct diag *d);

#endif

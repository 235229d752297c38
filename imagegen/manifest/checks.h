/* What one key alone cannot say: checks across keys, and against the files of the host. */
#ifndef IMAGEGEN_CHECKS_H
#define IMAGEGEN_CHECKS_H

#include "imagegen/manifest/manifest.h"

/* Runs every check whose values were read, those of files only if look_at_files; all failures are reported. */
void manifest_check(const struct manifest *m, bool look_at_files, struct diag *d);

#endif

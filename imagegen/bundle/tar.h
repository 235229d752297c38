/* The little of tar (POSIX.1-2017, ustar) that firmware packages are made of: regular files of root's, headers written when sizes are
 * known. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_BUNDLE_TAR_H
#define IMAGEGEN_BUNDLE_TAR_H

#include "imagegen/base/base.h"

#define TAR_BLOCK 512u
#define TAR_RECORD 10240u /* an archive's length is a multiple of it */
#define TAR_NAME_MAX 99

/* name: at most TAR_NAME_MAX bytes. From 8 GiB on the size is written in base 256, as GNU tar does. */
void tar_header(const char *name, uint64_t len, int64_t epoch, uint8_t ret[TAR_BLOCK]);

#endif

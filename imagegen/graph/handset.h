/* Reading a finished handset's disk image. */
#ifndef IMAGEGEN_HANDSET_H
#define IMAGEGEN_HANDSET_H

#include "imagegen/base/base.h"

/* What the bootloader of a handset would start: the kernel in the boot image of partition `boot`, copied into an unlinked file in memory.
 * ret_fd is the caller's, close-on-exec. */
MUST_USE int handset_kernel(const char *disk_path, int *ret_fd, struct diag *d);

#endif

/* cpio archives in the "new ASCII" form the kernel unpacks (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). */
#ifndef IMAGEGEN_CPIO_H
#define IMAGEGEN_CPIO_H

#include "imagegen/base/buf.h"

struct cpio {
	struct buf *out; /* borrowed; errors stick in it */
	uint32_t mtime;
	uint32_t next_ino;
};

/* Everything belongs to root. Folders come before what is in them. */
void cpio_folder(struct cpio *c, const char *path, uint32_t mode);
void cpio_file(struct cpio *c, const char *path, uint32_t mode, const uint8_t *data, size_t len);
void cpio_char_device(struct cpio *c, const char *path, uint32_t mode, uint32_t major, uint32_t minor);
/* The trailer, padded to a whole sector. */
void cpio_end(struct cpio *c);

#endif

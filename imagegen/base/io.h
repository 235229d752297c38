/* Whole reads and writes: short transfers and EINTR are retried. All return 0 or -errno. */
#ifndef IMAGEGEN_IO_H
#define IMAGEGEN_IO_H

#include "imagegen/base/base.h"

/* The whole file, malloc'd and followed by a NUL that ret_len does not count. -EFBIG if it is longer than max, -EISDIR for a folder. Works
 * for pipes and for files that grow while they are read. */
MUST_USE int io_read_file(const char *path, size_t max, uint8_t **ret_data, size_t *ret_len);
MUST_USE int io_read_fd(int fd, size_t max, uint8_t **ret_data, size_t *ret_len);

/* Opens a file or a block device for reading, without waiting for somebody to write to a pipe of that name: the descriptor or -errno;
 * -ENOTBLK if it is neither. io_open_error: what to say of it. */
MUST_USE int io_open_input(const char *path);
const char *io_open_error(int error);

MUST_USE int io_write_all(int fd, const void *data, size_t len);
MUST_USE int io_pwrite_all(int fd, const void *data, size_t len, uint64_t at);
/* To be called after len bytes were written to fd: now and then has the disk begin with them, so that a later fsync finds little left to
 * do. pending is the caller's, 0 at first; any thread may call it. */
void io_write_behind(int fd, _Atomic uint64_t *pending, uint64_t len);
MUST_USE int io_pread_all(int fd, void *data, size_t len, uint64_t at); /* -ENODATA if the file ends before */

#endif

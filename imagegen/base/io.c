#include "imagegen/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

/* Linux transfers at most 0x7ffff000 bytes a call; stay well below. */
#define CHUNK ((size_t)1 << 30)

int io_read_file(const char *path, size_t max, uint8_t **ret_data, size_t *ret_len)
{
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return io_read_fd(fd, max, ret_data, ret_len);
}

int io_read_fd(int fd, size_t max, uint8_t **ret_data, size_t *ret_len)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max)
		return -EFBIG;
	/* One byte more than expected, so that the end is seen without growing. */
	size_t cap = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 2 : 4096, len = 0;
	uint8_t *data CLEANUP_FREE = mem_try_large(cap);
	if (!data)
		return -ENOMEM;
	for (;;) {
		if (len + 1 >= cap) {
			uint8_t *p = cap <= SIZE_MAX / 2 ? realloc(data, cap * 2) : NULL;
			if (!p)
				return -ENOMEM;
			data = p;
			cap *= 2;
		}
		ssize_t n = read(fd, data + len, num_min(cap - len - 1, CHUNK));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	data[len] = 0;
	*ret_data = TAKE(data);
	*ret_len = len;
	return 0;
}

int io_open_input(const char *path)
{
	/* O_NONBLOCK means something to pipes and terminals only, and these are refused. */
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENXIO ? -ENOTBLK : -errno; /* a socket, or a device without a driver */
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENOTBLK;
	int own = fd;
	fd = -1;
	return own;
}

const char *io_open_error(int error)
{
	return error == -ENOTBLK ? "it is neither a file nor a disk" : strerror(-error);
}

int io_write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len) {
		ssize_t n = write(fd, p, num_min(len, CHUNK));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite_all(int fd, const void *data, size_t len, uint64_t at)
{
	const uint8_t *p = data;
	if (at > INT64_MAX || len > INT64_MAX - at)
		return -EFBIG;
	while (len) {
		ssize_t n = pwrite(fd, p, num_min(len, CHUNK), (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pread_all(int fd, void *data, size_t len, uint64_t at)
{
	uint8_t *p = data;
	if (at > INT64_MAX || len > INT64_MAX - at)
		return -ENODATA;
	while (len) {
		ssize_t n = pread(fd, p, num_min(len, CHUNK), (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

#define WRITE_BEHIND (8 * MIB)

void io_write_behind(int fd, _Atomic uint64_t *pending, uint64_t len)
{
	if (atomic_fetch_add(pending, len) + len < WRITE_BEHIND)
		return;
	atomic_store(pending, 0);
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* 0: to the end; what fails here, fsync reports */
}

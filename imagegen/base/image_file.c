#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

/* Data extents by SEEK_DATA and SEEK_HOLE; a file system without them says that all is data. */
static void find_extents(int fd, uint64_t len, struct extent **ret, size_t *ret_count)
{
	struct extent *v = NULL;
	size_t count = 0, cap = 0;
	off_t at = 0;
	while ((uint64_t)at < len) {
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 || hole <= data) {
			data = at;
			hole = (off_t)len;
		}
		uint64_t end = num_min((uint64_t)hole, len);
		if ((uint64_t)data >= end)
			break;
		mem_grow(&v, count, &cap, sizeof(*v));
		v[count++] = (struct extent){ .at = (uint64_t)data, .len = end - (uint64_t)data, .data = true };
		at = (off_t)end;
	}
	*ret = v;
	*ret_count = count;
}

int image_open(const char *path, struct image **ret_img)
{
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	off_t len = S_ISREG(st.st_mode) ? st.st_size : S_ISBLK(st.st_mode) ? lseek(fd, 0, SEEK_END) : -1;
	if (len < 0)
		return -ENOTBLK;
	struct extent *extents = NULL;
	size_t count = 0;
	find_extents(fd, (uint64_t)len, &extents, &count);
	int own = fd;
	fd = -1;
	*ret_img = image_fd(own, (uint64_t)len, extents, count, path);
	return 0;
}

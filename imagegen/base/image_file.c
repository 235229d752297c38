#include <errno.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
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

struct image *image_file(int fd TAKES, uint64_t len, const char *label)
{
	struct extent *extents = NULL;
	size_t count = 0;
	find_extents(fd, len, &extents, &count);
	return image_fd(fd, len, extents, count, label);
}

int image_open(const char *path, struct image **ret_img)
{
	int fd CLEANUP(fd_closep) = io_open_input(path);
	if (fd < 0)
		return fd;
	off_t len = lseek(fd, 0, SEEK_END); /* of a disk, too */
	if (len < 0)
		return -errno;
	int own = fd;
	fd = -1;
	*ret_img = image_file(own, (uint64_t)len, path);
	return 0;
}

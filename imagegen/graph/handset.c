#include "imagegen/graph/handset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/gpt/gpt.h"

enum { COPY_LEN = 1 << 20 };

static int open_disk(const char *path, struct image **ret, struct diag *d)
{
	struct loc loc = LOC_FILE(path);
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_CLOEXEC);
	struct extent *whole;
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return diag_fail(d, MVP0901, &loc, "cannot open the disk image: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return diag_fail(d, MVP0901, &loc, "not a disk image: it is %s", S_ISREG(st.st_mode) ? "empty" : "no regular file");
	whole = mem_new(struct extent);
	*whole = (struct extent){ .len = (uint64_t)st.st_size, .data = true };
	*ret = image_fd(fd, (uint64_t)st.st_size, whole, 1, path);
	fd = -1;
	return 0;
}

static int find_boot(struct image *disk, const char *path, struct image **ret, struct diag *d)
{
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count;
	struct loc loc = LOC_FILE(path);
	if (gpt_read(disk, path, &entries, &count, d))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(entries[i].name, "boot") || !strcmp(entries[i].name, "boot_a")) {
			*ret = image_slice(disk, entries[i].at, entries[i].len);
			return 0;
		}
	}
	return diag_fail(d, MVP0901, &loc, "the disk has no partition 'boot' or 'boot_a'");
}

static int copy(const struct image *img, uint64_t at, uint64_t len, int fd, const struct loc *loc, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_array(uint8_t, COPY_LEN);
	while (len) {
		size_t n = (size_t)num_min(len, COPY_LEN);
		int rc;
		if (image_read(img, at, buf, n, d))
			return -1;
		rc = io_write_all(fd, buf, n);
		if (rc)
			return diag_fail(d, MVP0901, loc, "cannot copy the hypervisor: %s", strerror(-rc));
		at += n;
		len -= n;
	}
	return 0;
}

int handset_kernel(const char *disk_path, int *ret_fd, struct diag *d)
{
	struct image *disk CLEANUP(image_freep) = NULL, *boot CLEANUP(image_freep) = NULL;
	struct loc loc = LOC_FILE(disk_path);
	struct bootimg_info info;
	int fd CLEANUP(fd_closep) = -1;
	if (open_disk(disk_path, &disk, d) || find_boot(disk, disk_path, &boot, d) || bootimg_read(boot, disk_path, &info, d))
		return -1;
	fd = memfd_create("hypervisor", MFD_CLOEXEC);
	if (fd < 0)
		return diag_fail(d, MVP0901, &loc, "cannot copy the hypervisor: %s", strerror(errno));
	if (copy(boot, info.kernel_at, info.kernel_len, fd, &loc, d))
		return -1;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Boot images and kernels with any content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/bootimg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_bootimg(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, len), data, len), len);
	struct bootimg_info info;
	if (bootimg_read(img, "fuzz", &info, d) < 0) {
		if (diag_errors(d) != 1)
			abort();
		return;
	}
	if ((info.kernel_len && !num_inside(info.kernel_at, info.kernel_len, len)) ||
	    (info.ramdisk_len && !num_inside(info.ramdisk_at, info.ramdisk_len, len)) || strlen(info.cmdline) >= sizeof(info.cmdline))
		abort();
}

static void try_kernel(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *kernel CLEANUP_FREE = memcpy(mem_zeroed(1, len), data, len);
	size_t kernel_len = len;
	const struct kernel_place place = { .memory = 64 * MIB, .dtb_len = 6000 };
	bool wrapped = false;
	if ((kernel_check(&kernel, &kernel_len, &place, "fuzz", &wrapped, d) < 0) != (diag_errors(d) == 1))
		abort();
	/* What is wrapped is an Image that needs no more wrapping. */
	if (wrapped && (kernel_check(&kernel, &kernel_len, &place, "fuzz", &wrapped, d) < 0 || wrapped))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	if (data[0] & 1)
		try_bootimg(data + 1, len - 1);
	else
		try_kernel(data + 1, len - 1);
	return 0;
}

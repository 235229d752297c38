#include "imagegen/bootimg/bootimg.h"

#include <endian.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "mvp/bootimg.h"

#define PAGE MVP_BOOTIMG_PAGE
/* Kernel and ramdisk together; far above any phone's, and the file stays below what a 32-bit bootloader can address. */
#define CONTENT_MAX GIB

int bootimg_compose(const struct bootimg_parts *parts, struct image **ret_img, struct diag *d)
{
	size_t cmdline_len = parts->cmdline ? strlen(parts->cmdline) : 0;
	if (cmdline_len >= MVP_BOOTIMG_CMDLINE)
		return diag_fail(d, MVP0505, NULL, "the kernel's command line has %zu bytes; a boot image holds %d", cmdline_len,
				 MVP_BOOTIMG_CMDLINE - 1);
	if (parts->kernel_len > CONTENT_MAX || parts->ramdisk_len > CONTENT_MAX)
		return diag_fail(d, MVP0505, NULL, "a kernel of %zu bytes or a ramdisk of %zu is too large for a boot image",
				 parts->kernel_len, parts->ramdisk_len);
	size_t ramdisk_at = PAGE + align_up(parts->kernel_len, PAGE);
	size_t len = ramdisk_at + align_up(parts->ramdisk_len, PAGE);
	uint8_t *out = mem_try(1, len);
	if (!out)
		return diag_fail(d, MVP0505, NULL, "no memory for a boot image of %zu bytes", len);
	struct mvp_bootimg_v4 h = {
		.kernel_size = htole32((uint32_t)parts->kernel_len),
		.ramdisk_size = htole32((uint32_t)parts->ramdisk_len),
		.os_version = htole32(parts->os_version),
		.header_size = htole32(MVP_BOOTIMG_V4_SIZE),
		.header_version = htole32(4),
	};
	memcpy(h.magic, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN);
	if (cmdline_len)
		memcpy(h.cmdline, parts->cmdline, cmdline_len);
	memcpy(out, &h, sizeof(h));
	if (parts->kernel_len)
		memcpy(out + PAGE, parts->kernel, parts->kernel_len);
	if (parts->ramdisk_len)
		memcpy(out + ramdisk_at, parts->ramdisk, parts->ramdisk_len);
	*ret_img = image_mem(out, len);
	return 0;
}

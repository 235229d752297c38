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

int bootimg_read(const struct image *img, const char *label, struct bootimg_info *ret_info, struct diag *d)
{
	struct mvp_bootimg_v4 h = { 0 };
	struct bootimg_info info = { 0 };
	struct loc loc = LOC_AT(label, 0);
	uint64_t len = image_len(img);
	if (len < MVP_BOOTIMG_V3_SIZE)
		return diag_fail(d, MVP0504, &loc, "no Android boot image: the file has only %llu bytes", (unsigned long long)len);
	if (image_read(img, 0, &h, (size_t)num_min(sizeof(h), len), d) < 0)
		return -1;
	if (memcmp(h.magic, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN) != 0)
		return diag_fail(d, MVP0504, &loc, "no Android boot image: it does not begin with '" MVP_BOOTIMG_MAGIC "'");
	info.version = le32toh(h.header_version);
	uint32_t header_size = le32toh(h.header_size);
	if (info.version != 3 && info.version != 4) {
		loc.offset = MVP_BOOTIMG_VERSION_AT;
		return diag_fail(d, MVP0504, &loc, "the boot image has header version %u; expected 3 or 4", info.version);
	}
	if (header_size != (info.version == 4 ? MVP_BOOTIMG_V4_SIZE : MVP_BOOTIMG_V3_SIZE))
		return diag_fail(d, MVP0504, &loc, "the boot image's header claims %u bytes", header_size);
	/* Sections are 32-bit sizes below 4 GiB each, so these sums cannot overflow. */
	info.kernel_at = PAGE;
	info.kernel_len = le32toh(h.kernel_size);
	info.ramdisk_at = info.kernel_at + align_up(info.kernel_len, PAGE);
	info.ramdisk_len = le32toh(h.ramdisk_size);
	uint64_t signature_at = info.ramdisk_at + align_up(info.ramdisk_len, PAGE);
	uint64_t signature_len = info.version == 4 ? le32toh(h.signature_size) : 0;
	if ((info.kernel_len && !num_inside(info.kernel_at, info.kernel_len, len)) ||
	    (info.ramdisk_len && !num_inside(info.ramdisk_at, info.ramdisk_len, len)) ||
	    (signature_len && !num_inside(signature_at, signature_len, len)))
		return diag_fail(d, MVP0504, &loc, "the boot image is cut off: its sections do not fit into %llu bytes",
				 (unsigned long long)len);
	if (!memchr(h.cmdline, 0, sizeof(h.cmdline)))
		return diag_fail(d, MVP0504, &loc, "the boot image's command line has no end");
	info.os_version = le32toh(h.os_version);
	memcpy(info.cmdline, h.cmdline, sizeof(info.cmdline));
	*ret_info = info;
	return 0;
}

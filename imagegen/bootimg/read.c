/* Layout of versions 0 to 4: AOSP, system/tools/mkbootimg/include/bootimg/bootimg.h. */
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/bootimg.h"
#include "mvp/bootimg.h"

/* Offsets in the header of versions 0 to 2. */
enum {
	OLD_PAGE_SIZE = 36,
	OLD_OS_VERSION = 44,
	OLD_CMDLINE = 64,
	OLD_CMDLINE_LEN = 512,
	OLD_EXTRA_CMDLINE = 608,
	OLD_EXTRA_CMDLINE_LEN = 1024,
	OLD_V0_LEN = 1632,
	OLD_DTBO_SIZE = 1632,
	OLD_DTBO_AT = 1636,
	OLD_HEADER_SIZE = 1644,
	OLD_V1_LEN = 1648,
	OLD_DTB_SIZE = 1648,
	OLD_V2_LEN = 1660,
};

/* Sections behind each other, each padded to whole pages. Their lengths are 32-bit, so that sums cannot overflow. */
struct cursor {
	uint64_t at, page, total;
	bool cut;
};

static struct bootimg_section next(struct cursor *c, uint32_t len)
{
	const struct bootimg_section s = { c->at, len };
	c->cut = c->cut || (len > 0 && !num_inside(c->at, len, c->total));
	c->at += align_up(len, c->page);
	return s;
}

static int cut_off(const struct cursor *c, const struct loc *loc, struct diag *d)
{
	if (!c->cut)
		return 0;
	return diag_fail(d, MVP0504, loc, "the boot image is cut off: its sections do not fit into %llu bytes",
			 (unsigned long long)c->total);
}

static int read_old(const uint8_t *h, uint64_t len, const struct loc *loc, struct bootimg_info *info, struct diag *d)
{
	static const uint32_t header_lens[] = { OLD_V0_LEN, OLD_V1_LEN, OLD_V2_LEN };
	uint32_t page = get_le32(h + OLD_PAGE_SIZE);
	struct cursor c = { .at = page, .page = page, .total = len };
	if (page < 2048 || page > 16384 || (page & (page - 1)) != 0)
		return diag_fail(d, MVP0504, loc, "the boot image has pages of %u bytes; 2048 to 16384 are known", page);
	if (len < header_lens[info->version])
		return diag_fail(d, MVP0504, loc, "no Android boot image: the file has only %llu bytes", (unsigned long long)len);
	if (info->version > 0 && get_le32(h + OLD_HEADER_SIZE) != header_lens[info->version])
		return diag_fail(d, MVP0504, loc, "the boot image's header claims %u bytes", get_le32(h + OLD_HEADER_SIZE));
	struct bootimg_section kernel = next(&c, get_le32(h + 8)), ramdisk = next(&c, get_le32(h + 16));
	info->kernel_at = kernel.at;
	info->kernel_len = kernel.len;
	info->ramdisk_at = ramdisk.at;
	info->ramdisk_len = ramdisk.len;
	info->second = next(&c, get_le32(h + 24));
	if (info->version >= 1) {
		info->recovery_dtbo = next(&c, get_le32(h + OLD_DTBO_SIZE));
		if (info->recovery_dtbo.len && get_le64(h + OLD_DTBO_AT) != info->recovery_dtbo.at)
			return diag_fail(d, MVP0504, loc, "the boot image's recovery overlays are not behind its other sections");
	}
	if (info->version >= 2)
		info->dtb = next(&c, get_le32(h + OLD_DTB_SIZE));
	const char *first = (const char *)h + OLD_CMDLINE, *extra = (const char *)h + OLD_EXTRA_CMDLINE;
	size_t first_len = strnlen(first, OLD_CMDLINE_LEN), extra_len = strnlen(extra, OLD_EXTRA_CMDLINE_LEN);
	/* mkbootimg fills the first field to its end. */
	if (extra_len == OLD_EXTRA_CMDLINE_LEN)
		return diag_fail(d, MVP0504, loc, "the boot image's command line has no end");
	memcpy(info->cmdline, first, first_len);
	memcpy(info->cmdline + first_len, extra, extra_len);
	info->os_version = get_le32(h + OLD_OS_VERSION);
	return cut_off(&c, loc, d);
}

static int read_new(const uint8_t *bytes, uint64_t len, const struct loc *loc, struct bootimg_info *info, struct diag *d)
{
	struct mvp_bootimg_v4 h;
	struct cursor c = { .at = MVP_BOOTIMG_PAGE, .page = MVP_BOOTIMG_PAGE, .total = len };
	memcpy(&h, bytes, sizeof(h));
	uint32_t header_size = get_le32(bytes + 20);
	if (header_size != (info->version == 4 ? MVP_BOOTIMG_V4_SIZE : MVP_BOOTIMG_V3_SIZE))
		return diag_fail(d, MVP0504, loc, "the boot image's header claims %u bytes", header_size);
	struct bootimg_section kernel = next(&c, get_le32(bytes + 8)), ramdisk = next(&c, get_le32(bytes + 12));
	info->kernel_at = kernel.at;
	info->kernel_len = kernel.len;
	info->ramdisk_at = ramdisk.at;
	info->ramdisk_len = ramdisk.len;
	if (info->version == 4)
		info->signature = next(&c, get_le32(bytes + MVP_BOOTIMG_V3_SIZE));
	if (cut_off(&c, loc, d) < 0)
		return -1;
	if (!memchr(h.cmdline, 0, sizeof(h.cmdline)))
		return diag_fail(d, MVP0504, loc, "the boot image's command line has no end");
	info->os_version = get_le32(bytes + 16);
	memcpy(info->cmdline, h.cmdline, sizeof(info->cmdline));
	return 0;
}

int bootimg_read(const struct image *img, const char *label, struct bootimg_info *ret_info, struct diag *d)
{
	uint8_t h[OLD_V2_LEN] = { 0 };
	struct bootimg_info info = { 0 };
	struct loc loc = LOC_AT(label, 0);
	uint64_t len = image_len(img);
	if (len < MVP_BOOTIMG_V3_SIZE)
		return diag_fail(d, MVP0504, &loc, "no Android boot image: the file has only %llu bytes", (unsigned long long)len);
	if (image_read(img, 0, h, (size_t)num_min(sizeof(h), len), d) < 0)
		return -1;
	if (memcmp(h, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN) != 0)
		return diag_fail(d, MVP0504, &loc, "no Android boot image: it does not begin with '" MVP_BOOTIMG_MAGIC "'");
	info.version = get_le32(h + MVP_BOOTIMG_VERSION_AT);
	if (info.version > 4) {
		loc.offset = MVP_BOOTIMG_VERSION_AT;
		return diag_fail(d, MVP0504, &loc, "the boot image has header version %u; expected 0 to 4", info.version);
	}
	if ((info.version <= 2 ? read_old(h, len, &loc, &info, d) : read_new(h, len, &loc, &info, d)) < 0)
		return -1;
	*ret_info = info;
	return 0;
}

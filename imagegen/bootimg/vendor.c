#include "imagegen/bootimg/vendor.h"

#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/num.h"

#define MAGIC "VNDRBOOT"
#define V3_LEN 2112u
#define V4_LEN 2128u
#define CMDLINE_AT 28
#define CMDLINE_LEN 2048
#define ENTRY_LEN 108u
#define ENTRY_NAME_LEN 32

#define DTBO_MAGIC 0xd7b7ab1eu
#define DTBO_HEADER_LEN 32u
#define DTBO_ENTRY_LEN 32u
#define DTBO_ENTRIES_MAX 65536u
#define FDT_MAGIC 0xd00dfeedu

static int damaged(const char *label, uint64_t at, const char *what, struct diag *d)
{
	return diag_fail(d, MVP0332, &LOC_AT(label, at), "%s", what);
}

/* The section of len bytes at *at, which moves behind it and its padding. Lengths are 32-bit: sums cannot overflow. */
static struct bootimg_section next(uint64_t *at, uint32_t len, uint32_t page)
{
	const struct bootimg_section s = { *at, len };
	*at += align_up(len, page);
	return s;
}

static bool inside(const struct bootimg_section *s, uint64_t total)
{
	return s->len == 0 || num_inside(s->at, s->len, total);
}

/* Version 4's table of fragments. */
static int read_table(const struct image *img, const char *label, const struct bootimg_section *table, uint32_t count,
		      const struct bootimg_section *all, struct vendor_boot *ret, struct diag *d)
{
	if (count > VENDOR_RAMDISKS_MAX || table->len != (uint64_t)count * ENTRY_LEN)
		return damaged(label, 2112, "vendor_boot's table of ramdisks has a size that does not fit its entries, or too many", d);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t e[ENTRY_LEN];
		uint64_t at = table->at + (uint64_t)i * ENTRY_LEN;
		if (image_read(img, at, e, sizeof(e), d) < 0)
			return -1;
		uint32_t len = get_le32(e), offset = get_le32(e + 4);
		if (!num_inside(offset, len, all->len))
			return damaged(label, at, "a ramdisk of vendor_boot lies outside the section of ramdisks", d);
		ret->ramdisks[i].section = (struct bootimg_section){ all->at + offset, len };
		ret->ramdisks[i].type = get_le32(e + 8);
		if (ret->ramdisks[i].type > VENDOR_RAMDISK_DLKM)
			return damaged(label, at + 8, "a ramdisk of vendor_boot is of an unknown type", d);
		memcpy(ret->ramdisks[i].name, e + 12, ENTRY_NAME_LEN);
		ret->ramdisks[i].name[ENTRY_NAME_LEN] = '\0';
	}
	ret->ramdisks_count = count;
	return 0;
}

int vendor_boot_read(const struct image *img, const char *label, struct vendor_boot *ret, struct diag *d)
{
	uint8_t h[V4_LEN] = { 0 };
	uint64_t total = image_len(img);
	*ret = (struct vendor_boot){ 0 };
	if (total < V3_LEN)
		return damaged(label, 0, "no vendor_boot image: it is shorter than its header", d);
	if (image_read(img, 0, h, (size_t)num_min(sizeof(h), total), d) < 0)
		return -1;
	if (memcmp(h, MAGIC, strlen(MAGIC)) != 0)
		return damaged(label, 0, "no vendor_boot image: it does not begin with '" MAGIC "'", d);
	ret->version = get_le32(h + 8);
	uint32_t page = get_le32(h + 12), header_len = ret->version == 4 ? V4_LEN : V3_LEN;
	if (ret->version != 3 && ret->version != 4)
		return damaged(label, 8, "vendor_boot has an unknown header version; expected 3 or 4", d);
	if (page < 2048 || page > 16384 || (page & (page - 1)) != 0)
		return damaged(label, 12, "vendor_boot's pages are not of 2048 to 16384 bytes", d);
	if (get_le32(h + 2096) != header_len)
		return damaged(label, 2096, "vendor_boot's header is not of the size of its version", d);
	if (!memchr(h + CMDLINE_AT, 0, CMDLINE_LEN))
		return damaged(label, CMDLINE_AT, "vendor_boot's command line has no end", d);
	memcpy(ret->cmdline, h + CMDLINE_AT, CMDLINE_LEN);
	uint64_t at = align_up(header_len, page);
	struct bootimg_section ramdisks = next(&at, get_le32(h + 24), page), table = { 0 };
	ret->dtb = next(&at, get_le32(h + 2100), page);
	if (ret->version == 4) {
		table = next(&at, get_le32(h + 2112), page);
		ret->bootconfig = next(&at, get_le32(h + 2124), page);
	}
	if (!inside(&ramdisks, total) || !inside(&ret->dtb, total) || !inside(&table, total) || !inside(&ret->bootconfig, total))
		return damaged(label, 24, "vendor_boot is cut off: its sections do not fit into it", d);
	if (ret->version == 4) {
		if (table.len && get_le32(h + 2120) != ENTRY_LEN)
			return damaged(label, 2120, "vendor_boot's table of ramdisks has entries of an unknown size", d);
		return read_table(img, label, &table, get_le32(h + 2116), &ramdisks, ret, d);
	}
	ret->ramdisks[0].section = ramdisks;
	ret->ramdisks[0].type = VENDOR_RAMDISK_PLATFORM;
	ret->ramdisks_count = 1;
	return 0;
}

static int check_overlay(const struct image *img, const char *label, uint64_t entry_at, const uint8_t *e, uint32_t version, struct diag *d)
{
	uint32_t len = get_be32(e), at = get_be32(e + 4), compression = version >= 1 ? get_be32(e + 16) & 0xf : 0;
	uint8_t head[8];
	if (!num_inside(at, len, image_len(img)) || (compression == 0 && len < 40))
		return damaged(label, entry_at, "a device tree of the table lies outside the image, or is too short for one", d);
	if (compression > 2)
		return damaged(label, entry_at, "a device tree of the table is compressed in an unknown way", d);
	if (compression != 0)
		return 0;
	if (image_read(img, at, head, sizeof(head), d) < 0)
		return -1;
	if (get_be32(head) != FDT_MAGIC || get_be32(head + 4) > len)
		return damaged(label, at, "an entry of the table is no device tree", d);
	return 0;
}

int dtbo_check(const struct image *img, const char *label, size_t *ret_count, struct diag *d)
{
	uint8_t h[DTBO_HEADER_LEN], e[DTBO_ENTRY_LEN];
	if (image_len(img) < sizeof(h))
		return damaged(label, 0, "no table of device trees: it is shorter than its header", d);
	if (image_read(img, 0, h, sizeof(h), d) < 0)
		return -1;
	if (get_be32(h) != DTBO_MAGIC)
		return damaged(label, 0, "no table of device trees: its magic number is missing", d);
	uint32_t total = get_be32(h + 4), count = get_be32(h + 16), entries_at = get_be32(h + 20), version = get_be32(h + 28);
	if (get_be32(h + 8) != DTBO_HEADER_LEN || get_be32(h + 12) != DTBO_ENTRY_LEN || version > 1)
		return damaged(label, 8, "the table of device trees is of an unknown version", d);
	if (total > image_len(img) || count > DTBO_ENTRIES_MAX || !num_inside(entries_at, (uint64_t)count * DTBO_ENTRY_LEN, total))
		return damaged(label, 4, "the table of device trees is cut off", d);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = entries_at + (uint64_t)i * DTBO_ENTRY_LEN;
		if (image_read(img, at, e, sizeof(e), d) < 0 || check_overlay(img, label, at, e, version, d) < 0)
			return -1;
	}
	*ret_count = count;
	return 0;
}

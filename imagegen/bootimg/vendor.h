/* The images beside Android's boot image: vendor_boot, and dtbo. AOSP, bootimg.h and dt_table.h. */
#ifndef IMAGEGEN_BOOTIMG_VENDOR_H
#define IMAGEGEN_BOOTIMG_VENDOR_H

#include "imagegen/bootimg/bootimg.h"

enum { VENDOR_RAMDISK_NONE = 0, VENDOR_RAMDISK_PLATFORM = 1, VENDOR_RAMDISK_RECOVERY = 2, VENDOR_RAMDISK_DLKM = 3 };
enum { VENDOR_RAMDISKS_MAX = 64 };

struct vendor_boot {
	uint32_t version; /* 3 or 4 */
	struct {
		struct bootimg_section section;
		uint32_t type;
		char name[33];
	} ramdisks[VENDOR_RAMDISKS_MAX]; /* in order; version 3 has one, of type PLATFORM */
	size_t ramdisks_count;
	struct bootimg_section dtb, bootconfig;
	char cmdline[2049];
};
MUST_USE int vendor_boot_read(const struct image *img, const char *label, struct vendor_boot *ret, struct diag *d);

/* Checks a table of device tree overlays: header, entries, and that each is a device tree, unless it is compressed. */
MUST_USE int dtbo_check(const struct image *img, const char *label, size_t *ret_count, struct diag *d);

#endif

/* What Android's bootloaders load: kernel, the ramdisks of vendor_boot and boot (or init_boot) behind each other, boot configuration. */
#ifndef IMAGEGEN_ANDROID_RAMDISK_H
#define IMAGEGEN_ANDROID_RAMDISK_H

#include "imagegen/android/android.h"

/* An image with what it is called in diagnostics. */
struct named_image {
	const struct image *img; /* NULL: not given */
	const char *label;
	const struct loc *loc; /* in the manifest */
};

/* Fills ret's kernel, ramdisk, cmdline and os_version. init_boot and vendor_boot may be absent. */
MUST_USE int ramdisk_compose(const struct named_image *boot, const struct named_image *init_boot, const struct named_image *vendor_boot,
			     struct android *ret, struct diag *d);

#endif

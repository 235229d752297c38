/* Whole partitions that a persona's layers bring: the images of an Android system, and a file system that is taken as it is. */
#ifndef IMAGEGEN_ANDROID_H
#define IMAGEGEN_ANDROID_H

#include "imagegen/cache/stamps.h"
#include "imagegen/manifest/manifest.h"

struct android {
	/* What becomes a partition as it is, a multiple of 4096 bytes long; NULL: none. Never boot: that is made anew from what follows.
	 * Where holes are is up to the bytes, not to how the files happen to be stored. */
	struct image *images[ANDROID_PARTS];
	/* Of the boot images; kernel NULL: there are none. The ramdisk is what a bootloader would make of all of them. */
	uint8_t *kernel, *ramdisk;
	size_t kernel_len, ramdisk_len;
	char *cmdline;
	uint32_t os_version;
	uint8_t digest[32];   /* SHA-256 of all images */
	struct stamps inputs; /* files read */
};

/* The persona's layers of kind android and image; one of the latter is images[ANDROID_SYSTEM]. Everything is empty if there is neither. */
MUST_USE int android_load(const struct manifest *m, const struct persona *p, struct android *ret, struct diag *d);
void android_fini(struct android *a);

#endif

/* Android boot images (AOSP bootimg.h): what a bootloader starts the hypervisor from, and what the vault starts a persona from. Header
 * versions 2 and 4 are written, 0 to 4 are read. */
#ifndef IMAGEGEN_BOOTIMG_H
#define IMAGEGEN_BOOTIMG_H

#include "imagegen/base/base.h"

struct bootimg_parts {
	const uint8_t *kernel;
	size_t kernel_len;
	const uint8_t *ramdisk; /* may be NULL with length 0 */
	size_t ramdisk_len;
	const char *cmdline; /* at most 1535 bytes; NULL is empty */
	uint32_t os_version; /* packed as mvp/bootimg.h says; 0: none */
	uint32_t header;     /* version: 2, or 4, which 0 is, too */
	uint32_t load;       /* version 2: where the kernel goes; later ones leave that to the bootloader */
};

/* ret_img: an image in memory that owns copies of the parts. */
MUST_USE int bootimg_compose(const struct bootimg_parts *parts, struct image **ret_img, struct diag *d);

struct bootimg_section {
	uint64_t at, len; /* bytes in the image; len 0: it is not there */
};

/* Reading, header versions 0 to 4: offsets of the sections in the image, all checked against its length. */
struct bootimg_info {
	uint32_t version;
	uint32_t os_version;
	uint64_t kernel_at, kernel_len;
	uint64_t ramdisk_at, ramdisk_len;
	struct bootimg_section second, recovery_dtbo, dtb; /* versions 0 to 2, 1 and 2, 2 */
	struct bootimg_section signature;                  /* version 4 */
	char cmdline[1536];
};
MUST_USE int bootimg_read(const struct image *img, const char *label, struct bootimg_info *ret_info, struct diag *d);

/* The machine that a kernel is to start on. */
struct kernel_place {
	uint64_t memory;  /* bytes of the persona's RAM */
	uint64_t dtb_len; /* of its device tree, which lies at the start of it */
};

/* Makes a kernel one that the vault loads, an arm64 Image, or reports what is wrong. Gzip and lz4 are unpacked first. An Image's header is
 * checked (Documentation/arm64/booting.rst); an ELF executable and a flat binary are wrapped into an Image. *data is malloc'd; when it has
 * to change it is freed and replaced. */
MUST_USE int kernel_check(uint8_t **data, size_t *len, const struct kernel_place *place, const char *label, bool *ret_wrapped,
			  struct diag *d);

#endif

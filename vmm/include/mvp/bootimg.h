/* Android boot image headers, versions 3 and 4 (AOSP bootimg.h), and the arm64 kernel Image header (Linux
 * Documentation/arch/arm64/booting.rst). Shared by imagegen and the vault; freestanding. All integers are little endian. */
#ifndef MVP_BOOTIMG_H
#define MVP_BOOTIMG_H

#include <stdint.h>

#define MVP_BOOTIMG_MAGIC "ANDROID!" /* 8 bytes, no NUL on disk */
#define MVP_BOOTIMG_MAGIC_LEN 8
#define MVP_BOOTIMG_PAGE 4096     /* versions 3 and 4: header and every section start at multiples of it */
#define MVP_BOOTIMG_CMDLINE 1536  /* bytes with the NUL */
#define MVP_BOOTIMG_VERSION_AT 40 /* of header_version; the same in every version, so dispatch on it */
#define MVP_BOOTIMG_V3_SIZE 1580  /* header_size of version 3, which ends before signature_size */
#define MVP_BOOTIMG_V4_SIZE 1584

/* Sections in order, each padded with zeros to MVP_BOOTIMG_PAGE: header, kernel, ramdisk, signature. */
struct mvp_bootimg_v4 {
	uint8_t magic[MVP_BOOTIMG_MAGIC_LEN];
	uint32_t kernel_size;
	uint32_t ramdisk_size;
	uint32_t os_version; /* A << 25 | B << 18 | C << 11 | (year - 2000) << 4 | month */
	uint32_t header_size;
	uint32_t reserved[4];
	uint32_t header_version; /* 3 or 4 */
	uint8_t cmdline[MVP_BOOTIMG_CMDLINE];
	uint32_t signature_size; /* version 4 only */
} __attribute__((packed));

#define MVP_ARM64_MAGIC 0x644D5241 /* "ARM\x64" */
#define MVP_ARM64_HEADER_SIZE 64
#define MVP_ARM64_FLAG_BE 1u
#define MVP_ARM64_FLAGS_PAGE(flags) (((flags) >> 1) & 3) /* 0 unspecified, 1 4 KiB, 2 16 KiB, 3 64 KiB */
#define MVP_ARM64_FLAG_ANYWHERE (1u << 3)                /* the 2 MiB-aligned base may be anywhere in RAM, not only near its start */
#define MVP_ARM64_BASE_ALIGN 0x200000                    /* the kernel goes to text_offset bytes above a multiple of this */

struct mvp_arm64_header {
	uint32_t code0, code1; /* executable */
	uint64_t text_offset;
	uint64_t image_size; /* bytes in memory, bss included; reserve this, not the file's length. 0 before Linux 3.17 */
	uint64_t flags;
	uint64_t res2, res3, res4;
	uint32_t magic;
	uint32_t res5; /* offset of the PE header when there is an EFI stub */
} __attribute__((packed));

_Static_assert(sizeof(struct mvp_bootimg_v4) == MVP_BOOTIMG_V4_SIZE, "boot image header");
_Static_assert(sizeof(struct mvp_arm64_header) == MVP_ARM64_HEADER_SIZE, "arm64 Image header");

#endif

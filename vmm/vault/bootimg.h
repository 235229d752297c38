/* Reads the head of an Android boot image (header version 3 or 4) and of the arm64 kernel in it, and decides where things go. Strict. */
#ifndef VAULT_BOOTIMG_H
#define VAULT_BOOTIMG_H

#include "lib.h"
#include "mvp/bootimg.h"

/* Where a persona's kernel and ramdisk come from (bytes in the boot partition) and go to (bytes in its RAM). Lengths of reads are whole
 * pages, so that they are whole sectors of any disk; the ranges in RAM are checked for that. */
struct bootplan {
	uint64_t kernel_from, kernel_to, kernel_read;
	uint64_t ramdisk_from, ramdisk_to, ramdisk_read, ramdisk_len; /* len 0: none */
	uint64_t content_end;                                         /* bytes of the image that mean something */
	uint64_t used_end; /* bytes of RAM that the kernel with its bss, and the ramdisk, end at */
	char cmdline[MVP_BOOTIMG_CMDLINE];
};

#define BOOTIMG_HEAD_LEN (2 * MVP_BOOTIMG_PAGE) /* the header's page and the kernel's first */

/* head: the first BOOTIMG_HEAD_LEN bytes of a partition of partition_len; ram_size of the persona. NULL, or what is wrong with it. */
const char *bootimg_plan(const uint8_t *head, uint64_t partition_len, uint64_t ram_size, struct bootplan *ret_plan);

#endif

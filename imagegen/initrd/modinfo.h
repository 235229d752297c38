/* What a kernel module says of itself: the section .modinfo of its ELF64 little-endian file, NUL-terminated "key=value" strings. */
#ifndef IMAGEGEN_MODINFO_H
#define IMAGEGEN_MODINFO_H

#include "imagegen/base/base.h"

struct modinfo {
	const char *text; /* borrowed from the file; every string inside ends within len */
	size_t len;
};

enum modinfo_result { MODINFO_OK, MODINFO_NO_ELF, MODINFO_NO_SECTION, MODINFO_DAMAGED };

/* ret_machine: e_machine of the ELF header (183 is AArch64). */
enum modinfo_result modinfo_parse(const uint8_t *elf, size_t len, struct modinfo *ret_info, uint16_t *ret_machine);
/* The next value of key after the one returned last (NULL: the first); NULL at the end. */
const char *modinfo_next(const struct modinfo *info, const char *key, const char *last);

#endif

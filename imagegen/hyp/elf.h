/* What a linked AArch64 program occupies (ELF-64 object file format, version 1.5). */
#ifndef IMAGEGEN_ELF_H
#define IMAGEGEN_ELF_H

#include "imagegen/base/base.h"

struct elf_sizes {
	uint64_t start, end; /* addresses of the loaded segments, zero-filled parts included */
	uint64_t text_len;   /* bytes of the section .text */
	uint64_t const_end;  /* address behind the section .rodata; 0: there is none */
};

/* False when data is no little-endian ELF-64 program for AArch64 with a loaded segment and a .text. */
MUST_USE bool elf_read_sizes(const uint8_t *data, size_t len, struct elf_sizes *ret);

#endif

/* The device tree a persona's kernel gets: the machine of mvp/machine.h, in Flattened Devicetree format (Devicetree Specification 0.4). */
#ifndef IMAGEGEN_FDT_H
#define IMAGEGEN_FDT_H

#include "imagegen/hyp/board.h"

struct guest_fdt {
	uint8_t *data; /* malloc'd */
	uint32_t len;
	/* Byte offsets in data of the values of properties of /chosen that are filled in at boot. */
	uint32_t bootargs_at, bootargs_len;
	uint32_t initrd_start_at, initrd_end_at; /* 64-bit big-endian */
	uint32_t kaslr_at;                       /* 8 bytes */
	uint32_t rng_at, rng_len;
};

MUST_USE int guest_fdt_build(const struct board *b, const struct persona *p, struct guest_fdt *ret, struct diag *d);
void guest_fdt_fini(struct guest_fdt *f);

#endif

/* Translation tables, 4 KiB granule, 39-bit input, start at level 1 (Arm DDI 0487, D8.3): one builder for EL2's own stage 1 and all
 * stage 2. */
#ifndef CORE_PT_H
#define CORE_PT_H

#include "types.h"

/* Attributes: the bits of a leaf descriptor apart from its address and type. */
#define PT_AF BIT(10)
#define PT_SH_INNER (3ull << 8)
#define PT_S1_NORMAL (0ull << 2) /* MAIR index */
#define PT_S1_DEVICE (1ull << 2)
#define PT_S1_RES1 BIT(6)
#define PT_S1_RO BIT(7)
#define PT_S1_XN BIT(54)
#define PT_S2_NORMAL (0xfull << 2)
#define PT_S2_DEVICE (0x1ull << 2)
#define PT_S2_RO (1ull << 6)
#define PT_S2_RW (3ull << 6)
#define PT_S2_XN BIT(54)

#define PT_EL2_CODE (PT_AF | PT_SH_INNER | PT_S1_NORMAL | PT_S1_RES1 | PT_S1_RO)
#define PT_EL2_CONST (PT_EL2_CODE | PT_S1_XN)
#define PT_EL2_DATA (PT_AF | PT_SH_INNER | PT_S1_NORMAL | PT_S1_RES1 | PT_S1_XN)
#define PT_EL2_DEVICE (PT_AF | PT_S1_DEVICE | PT_S1_RES1 | PT_S1_XN)
#define PT_RAM (PT_AF | PT_SH_INNER | PT_S2_NORMAL | PT_S2_RW)
#define PT_RAM_NOEXEC (PT_RAM | PT_S2_XN)
#define PT_CONST (PT_AF | PT_SH_INNER | PT_S2_NORMAL | PT_S2_RO | PT_S2_XN)
#define PT_DEVICE (PT_AF | PT_S2_DEVICE | PT_S2_RW | PT_S2_XN)

/* A zeroed table from the static pool; NULL when it is used up. */
uint64_t *pt_new(void);
/* Maps [va, va + size) to pa, all multiples of 4096, in 2 MiB blocks where they fit. False: the pool is used up or something is mapped
 * there. */
bool pt_map(uint64_t *root, uint64_t va, uint64_t pa, uint64_t size, uint64_t attr);
/* The level 2 slot of va, whose table must exist or can be made; NULL without. For the window. */
uint64_t *pt_slot2(uint64_t *root, uint64_t va);

#endif

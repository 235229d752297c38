#include "pt.h"

enum { POOL_TABLES = 48, ENTRIES = 512 };
#define PAGE 4096ull
#define BLOCK BIT(21)
#define ADDRESS_MASK 0x0000fffffffff000ull
#define DESC_VALID 1ull
#define DESC_TABLE 3ull
#define DESC_PAGE 3ull
#define DESC_BLOCK 1ull

static uint64_t pool[POOL_TABLES][ENTRIES] __attribute__((aligned(4096)));
static uint32_t pool_used;

uint64_t *pt_new(void)
{
	return pool_used < POOL_TABLES ? pool[pool_used++] : NULL;
}

/* The table that slot points to, made if it is empty. */
static uint64_t *descend(uint64_t *slot)
{
	if (!*slot) {
		uint64_t *t = pt_new();

		if (!t)
			return NULL;
		*slot = (uint64_t)t | DESC_TABLE;
	}
	return (*slot & 3) == DESC_TABLE ? (uint64_t *)(*slot & ADDRESS_MASK) : NULL;
}

uint64_t *pt_slot2(uint64_t *root, uint64_t va)
{
	uint64_t *l2 = descend(&root[(va >> 30) & (ENTRIES - 1)]);

	return l2 ? &l2[(va >> 21) & (ENTRIES - 1)] : NULL;
}

bool pt_map(uint64_t *root, uint64_t va, uint64_t pa, uint64_t size, uint64_t attr)
{
	while (size) {
		uint64_t *slot = pt_slot2(root, va);
		uint64_t step = BLOCK;

		if (!slot)
			return false;
		if (!((va | pa) & (BLOCK - 1)) && size >= BLOCK) {
			if (*slot)
				return false;
			*slot = pa | attr | DESC_BLOCK;
		} else {
			uint64_t *l3 = descend(slot);

			if (!l3)
				return false;
			slot = &l3[(va >> 12) & (ENTRIES - 1)];
			if (*slot)
				return false;
			*slot = pa | attr | DESC_PAGE;
			step = PAGE;
		}
		va += step;
		pa += step;
		size -= step;
	}
	return true;
}

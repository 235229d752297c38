/* EL2's own address space: identity mapped, W^X, with nothing of the personas in it but a window of 2 MiB for each CPU, mapped while
 * it is used. */
#include "arch.h"
#include "cpu.h"
#include "pt.h"
#include "stack.h"

extern char __core_start[], __text_end[], __rodata_end[], __bss_start[], __core_end[], stacks[];
extern uint64_t el2_l1[512];
uint64_t el2_l1[512] __attribute__((aligned(4096)));

#define WINDOW_VA 0x7fc0000000ull /* the last GiB of 39 bits: no physical memory of a board is identity mapped there */
#define BLOCK_MASK ((uint64_t)MVP_BLOCK_SIZE - 1)

static uint64_t *window_slots; /* one per CPU */

static bool map_section(const char *from, const char *to, uint64_t attr)
{
	return from == to || pt_map(el2_l1, (uint64_t)from, (uint64_t)from, (uint64_t)(to - from), attr);
}

static bool map_device(uint64_t pa, uint64_t size)
{
	uint64_t start = pa & ~4095ull;

	return pt_map(el2_l1, start, start, (pa + size - start + 4095) & ~4095ull, PT_EL2_DEVICE);
}

/* Runs on the boot CPU with the MMU off. There is nobody to tell yet when it fails: the CPU stays here. */
void mmu_init(void)
{
	const struct mvp_core_config *c = &mvp_core_config;
	bool ok = map_section(__core_start, __text_end, PT_EL2_CODE) && map_section(__text_end, __rodata_end, PT_EL2_CONST) &&
		  map_section(__rodata_end, stacks, PT_EL2_DATA);

	/* A page below each stack stays unmapped: an overflow faults instead of writing into the next CPU's stack. */
	for (char *s = stacks; ok && s < __core_end; s += CORE_STACK_STRIDE)
		ok = map_section(s + CORE_STACK_GUARD, s + CORE_STACK_STRIDE, PT_EL2_DATA);
	ok = ok && map_device(c->gicd_pa, 0x10000) && map_device(c->gicr_pa, c->gicr_size) && map_device(c->debug_uart_pa, 0x1000);
	window_slots = pt_slot2(el2_l1, WINDOW_VA);
	while (!ok || !window_slots)
		wfi();
}

static uint64_t window_set(uint64_t desc)
{
	uint32_t cpu = this_cpu()->index;
	uint64_t va = WINDOW_VA + cpu * MVP_BLOCK_SIZE;

	/* Break before make: the old entry is gone before a new one is written, from the TLBs of others, too, which may have looked ahead.
	 */
	__atomic_store_n(&window_slots[cpu], desc, __ATOMIC_RELAXED);
	dsb(ishst); /* the table write before the walk or the invalidation */
	if (!desc)
		tlb_flush_el2_page(va);
	isb();
	return va;
}

void *window_map(paddr_t pa)
{
	return (void *)(window_set((pa.v & ~BLOCK_MASK) | PT_EL2_DATA | 1) + (pa.v & BLOCK_MASK));
}

void window_unmap(void)
{
	window_set(0);
}

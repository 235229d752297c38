/* Stage 1 translation of the vault: VA = IPA, 39 bits, three levels. Built once by CPU 0 with the MMU off; so no byte functions in here,
 * and every access is aligned. Arm ARM D5.3 (VMSAv8-64 table formats). */
#include "lib.h"
#include "stack.h"

#define TABLES 24
#define ENTRIES 512

#define DESC_VALID 1ull
#define DESC_TABLE 2ull /* level 1 and 2: next table; level 3: page */
#define DESC_AF (1ull << 10)
#define DESC_SH_INNER (3ull << 8)
#define DESC_RO (1ull << 7)
#define DESC_PXN (1ull << 53)
#define DESC_UXN (1ull << 54)
#define DESC_ADDRESS 0x0000fffffffff000ull

/* MAIR indexes: start.S */
#define ATTR_DEVICE (0ull << 2)
#define ATTR_NORMAL (1ull << 2)

#define MAP_TEXT (ATTR_NORMAL | DESC_SH_INNER | DESC_AF | DESC_RO | DESC_UXN)
#define MAP_RODATA (MAP_TEXT | DESC_PXN)
#define MAP_DATA (ATTR_NORMAL | DESC_SH_INNER | DESC_AF | DESC_UXN | DESC_PXN)
#define MAP_DEVICE (ATTR_DEVICE | DESC_AF | DESC_UXN | DESC_PXN)

#define PAGE 0x1000ull
#define VA_END (1ull << 39)

extern char __vault_text[], __vault_rodata[], __vault_data[], __vault_stacks[], __vault_end[];

void mmu_build(uint64_t core_len);

uint64_t mmu_root[ENTRIES] __attribute__((aligned(4096)));
static uint64_t tables[TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned tables_used;

/* The table below an entry, made if it is not there. */
static uint64_t *table_below(uint64_t *entry)
{
	if (!(*entry & DESC_VALID)) {
		if (tables_used == TABLES)
			vault_panic(VAULT_PANIC_MAP, TABLES);
		*entry = (uint64_t)tables[tables_used++] | DESC_TABLE | DESC_VALID;
	}
	if (!(*entry & DESC_TABLE))
		vault_panic(VAULT_PANIC_MAP, *entry);
	return (uint64_t *)(*entry & DESC_ADDRESS);
}

/* Maps [at, at + size) to itself with the largest blocks that fit. Nothing is mapped twice with other rights: a page that is taken stays as
 * it is, so the first caller decides. */
static void map(uint64_t at, uint64_t size, uint64_t attributes)
{
	if (at % PAGE || size % PAGE || !range_in(at, size, VA_END))
		vault_panic(VAULT_PANIC_MAP, at);
	while (size) {
		uint64_t *entry = &mmu_root[at >> 30];
		uint64_t step = 1ull << 30;
		uint64_t kind = 0;
		if (at % step || size < step) {
			step = 1ull << 21;
			entry = &table_below(entry)[(at >> 21) % ENTRIES];
		}
		if (at % step || size < step) {
			step = PAGE;
			kind = DESC_TABLE;
			entry = &table_below(entry)[(at >> 12) % ENTRIES];
		}
		if (!(*entry & DESC_VALID))
			*entry = at | attributes | kind | DESC_VALID;
		at += step;
		size -= step;
	}
}

static void map_device(uint64_t at, uint64_t size)
{
	uint64_t start = at & ~(PAGE - 1);
	if (size)
		map(start, (at + size - start + PAGE - 1) & ~(PAGE - 1), MAP_DEVICE);
}

void mmu_build(uint64_t core_len)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	uint64_t end = MVP_VAULT_BASE + c->vault_size;

	if (c->revision != MVP_CONFIG_REVISION)
		vault_panic(VAULT_PANIC_CONFIG, c->revision);
	if (c->personas > MVP_MAX_PERSONAS || c->vault_size % MVP_BLOCK_SIZE || (uint64_t)__vault_end > end)
		vault_panic(VAULT_PANIC_CONFIG, c->vault_size);

	map((uint64_t)__vault_text, (uint64_t)__vault_rodata - (uint64_t)__vault_text, MAP_TEXT);
	map((uint64_t)__vault_rodata, (uint64_t)__vault_data - (uint64_t)__vault_rodata, MAP_RODATA);
	map((uint64_t)__vault_data, (uint64_t)__vault_stacks - (uint64_t)__vault_data, MAP_DATA);
	for (unsigned i = 0; i < MVP_MAX_CPUS; i++)
		map((uint64_t)__vault_stacks + i * VAULT_STACK_STRIDE + VAULT_STACK_GUARD, VAULT_STACK_STRIDE - VAULT_STACK_GUARD,
		    MAP_DATA);

	map(MVP_VAULT_CORE, core_len, MAP_RODATA);

	map_device(c->uart_pa, PAGE);
	map_device(c->rtc_pa, PAGE);
	map_device(c->virtio_pa, (uint64_t)c->virtio_stride * c->virtio_count);
	if (c->pci_ecam_pa) {
		map_device(c->pci_ecam_pa, MVP_PCI_BUS_SIZE);
		map_device(c->pci_mmio_pa, c->pci_mmio_size);
	}

	for (unsigned p = 0; p < c->personas; p++)
		map(MVP_VAULT_WINDOW((uint64_t)p), c->persona[p].ram_size, MAP_DATA);
	map(MVP_VAULT_SCREENS, c->screens_size, MAP_DATA);
	if (c->fw_cfg_pa)
		map_device(c->fw_cfg_pa, PAGE);
}

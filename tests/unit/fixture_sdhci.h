/* An SD host controller on PCI and a card behind it, as far as the driver uses them: registers, ADMA2, commands. */
#ifndef TESTS_UNIT_FIXTURE_SDHCI_H
#define TESTS_UNIT_FIXTURE_SDHCI_H

#include "vault_host.h"

/* What the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "vmm/vault/lib.c"

#include "vmm/vault/drivers/pci.c"
#undef PAGE
#include "vmm/vault/drivers/sdhci.c"

#define ECAM 0x3f000000u
#define WINDOW 0x10000000u
#define WINDOW_SIZE 0x100000u
#define SLOT 2u /* of the controller on the bus */

/* Memory that both see; a bus address is an offset plus a base. */
#define BUS_BASE 0x40000000u
#define BUS_LEN 0x200000u
#define TABLE_AT 0x1f0000u /* the driver's table is shown here */

static uint8_t bus_memory[BUS_LEN] __attribute__((aligned(4096)));

paddr_t dma_paddr(const void *at)
{
	const uint8_t *p = at;
	if (p >= (const uint8_t *)table && p < (const uint8_t *)(table + DESCS))
		return (paddr_t){ BUS_BASE + TABLE_AT + (uint64_t)(p - (const uint8_t *)table) };
	return (paddr_t){ BUS_BASE + (uint64_t)(p - bus_memory) };
}

void console_log(const char *format, ...)
{
	(void)format;
}

uint8_t mmio_read8(uintptr_t at)
{
	(void)at;
	return 0;
}

void mmio_write8(uintptr_t at, uint8_t v)
{
	(void)at;
	(void)v;
}

#endif

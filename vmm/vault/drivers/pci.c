#include "pci.h"

#define DEVICES 32u
#define FUNCTIONS 8u
#define FUNCTION_SHIFT 12 /* of configuration space: 4 KiB each */
#define DEVICE_SHIFT 15

#define CFG_ID 0x00
#define CFG_COMMAND 0x04
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NO_INTX 0x400u
#define COMMAND_RW 0xffffu /* the status half is write-one-to-clear */
#define CFG_CLASS 0x08     /* with the revision in the low byte */
#define CFG_HEADER 0x0c
#define HEADER_MULTI (1u << 23)
#define HEADER_TYPE 0x7f0000u
#define CFG_BAR0 0x10
#define BAR_IO 1u
#define BAR_TYPE 6u /* 0: 32 bits */
#define BAR_ADDRESS 0xfffffff0u
#define CFG_PIN 0x3c /* byte 1 */
#define PAGE 0x1000u

static uintptr_t config_of(unsigned device, unsigned function)
{
	return mvp_vault_config.pci_ecam_pa + ((uintptr_t)device << DEVICE_SHIFT) + ((uintptr_t)function << FUNCTION_SHIFT);
}

static bool exists(uintptr_t config)
{
	return (mmio_read32(config + CFG_ID) & 0xffff) != 0xffff;
}

static void set_command(uintptr_t config, uint32_t clear, uint32_t set)
{
	mmio_write32(config + CFG_COMMAND, (mmio_read32(config + CFG_COMMAND) & COMMAND_RW & ~clear) | set);
}

static void stop_dma(void)
{
	for (unsigned d = 0; d < DEVICES; d++) {
		if (!exists(config_of(d, 0)))
			continue;
		bool multi = mmio_read32(config_of(d, 0) + CFG_HEADER) & HEADER_MULTI;
		for (unsigned f = 0; f < (multi ? FUNCTIONS : 1); f++) {
			if (exists(config_of(d, f)))
				set_command(config_of(d, f), COMMAND_MASTER, 0);
		}
	}
}

/* Where the first BAR lies; 0 if that is nowhere in the window. */
static uintptr_t place(uintptr_t config)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	uint32_t bar = mmio_read32(config + CFG_BAR0);
	if (bar & (BAR_IO | BAR_TYPE))
		return 0;
	/* Sized with decoding off (PCI 3.0, 6.2.5.1): all bits that can be written are address. */
	set_command(config, COMMAND_MEMORY, 0);
	mmio_write32(config + CFG_BAR0, BAR_ADDRESS);
	uint32_t size = 0u - (mmio_read32(config + CFG_BAR0) & BAR_ADDRESS);
	uint64_t at = bar & BAR_ADDRESS;
	if (at < c->pci_mmio_pa || !range_in(at - c->pci_mmio_pa, PAGE, c->pci_mmio_size))
		at = c->pci_mmio_pa;
	mmio_write32(config + CFG_BAR0, (uint32_t)at);
	if (!size || size > c->pci_mmio_size || (mmio_read32(config + CFG_BAR0) & BAR_ADDRESS) != at)
		return 0;
	return at;
}

bool pci_start(uint32_t class_code, uint32_t mask, struct pci *ret)
{
	if (!mvp_vault_config.pci_ecam_pa)
		return false;
	stop_dma();
	for (unsigned d = 0; d < DEVICES; d++) {
		uintptr_t config = config_of(d, 0);
		if (!exists(config) || ((mmio_read32(config + CFG_CLASS) >> 8 ^ class_code) & mask) ||
		    (mmio_read32(config + CFG_HEADER) & HEADER_TYPE))
			continue;
		uint32_t pin = mmio_read32(config + CFG_PIN) >> 8 & 0xff;
		uintptr_t at = place(config);
		if (!at || pin < 1 || pin > 4)
			return false;
		set_command(config, COMMAND_NO_INTX, COMMAND_MEMORY | COMMAND_MASTER);
		/* The bridge's four interrupts, rotated by the device's number. */
		*ret = (struct pci){ at, mvp_vault_config.pci_intid + (d + pin - 1) % 4 };
		return true;
	}
	return false;
}

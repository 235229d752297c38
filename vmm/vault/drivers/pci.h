/* Functions on bus 0 of the board's PCI Express host bridge, by its memory-mapped configuration space (PCI Express 5.0, 7.2.2). */
#ifndef VAULT_DRIVERS_PCI_H
#define VAULT_DRIVERS_PCI_H

#include "../lib.h"

struct pci {
	uintptr_t regs; /* what its first BAR shows, for registers below a page */
	uint32_t intid; /* of its INTx pin */
};

/* Finds the first function 0 of a class (base class << 16 | subclass << 8 | programming interface, those under mask), places its first BAR
 * in the board's window unless the bootloader has, and lets it decode and do DMA. Every other function on the bus loses its DMA, whoever
 * gave it. False if there is none, or it cannot be placed. */
bool pci_start(uint32_t class_code, uint32_t mask, struct pci *ret);

#endif

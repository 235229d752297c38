/* Physical addresses of what the vault can reach, for devices. */
#ifndef VAULT_DMA_H
#define VAULT_DMA_H

#include "lib.h"

/* at lies in the vault's memory or in a window. Both are contiguous. */
paddr_t dma_paddr(const void *at);

#endif

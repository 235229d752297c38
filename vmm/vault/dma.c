#include "dma.h"

paddr_t dma_paddr(const void *at)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	uint64_t va = (uint64_t)at;
	for (uint32_t p = 0; p < c->personas; p++) {
		uint64_t window = MVP_VAULT_WINDOW((uint64_t)p);
		if (va >= window && va - window < c->persona[p].ram_size)
			return (paddr_t){ c->persona[p].ram_pa + (va - window) };
	}
	if (va >= MVP_VAULT_SCREENS && va - MVP_VAULT_SCREENS < c->screens_size)
		return (paddr_t){ c->screens_pa + (va - MVP_VAULT_SCREENS) };
	if (va < MVP_VAULT_BASE || va - MVP_VAULT_BASE >= c->vault_size)
		vault_panic(VAULT_PANIC_INTERNAL, va);
	return (paddr_t){ c->vault_pa + (va - MVP_VAULT_BASE) };
}

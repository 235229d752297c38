/* The board configuration of host tests that bring none of their own: two CPUs, two personas of two vCPUs. */
#include "vmm/include/mvp/config.h"

const struct mvp_core_config mvp_core_config = {
	.revision = MVP_CONFIG_REVISION,
	.personas = 2,
	.gicd_pa = 0x08000000,
	.gicr_pa = 0x080a0000,
	.gicr_size = 0x00f60000,
	.debug_uart_pa = 0x09000000,
	.cpu_mpidr = { 0, 1 },
	.cpus = 2,
	.slice_us = 5000,
	.vault_pa = 0x50000000,
	.vault_size = 0x01000000,
	.vault_mmio_count = 1,
	.vault_irqs_count = 3,
	.vault_mmio = { { 0x09000000, 0x1000 } },
	.vault_irqs = { { 33, 0, 0 }, { 48, 1, 0 }, { 79, 1, 0 } },
	.screens_pa = 0x80000000,
	.screens_size = 0x01000000,
	.persona = { { 0x60000000, 0x04000000, 2, 800, 200, 0x80200000, 0x00200000 },
		     { 0x70000000, 0x02000000, 2, 800, 200, 0x80600000, 0x00400000 } },
};

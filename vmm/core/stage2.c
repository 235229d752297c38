/* Stage 2: what each domain sees of physical memory. Static, built once; no page is in two personas. */
#include "arch.h"
#include "cpu.h"
#include "pt.h"

extern char __core_start[], __rodata_end[];

/* Start level 1, 39-bit IPA, write-back inner-shareable walks, 8-bit VMIDs; PS is or-ed in per CPU (main.c). */

static bool map_persona(const struct vm *vm, const struct mvp_core_persona *c, uint64_t *root)
{
	return pt_map(root, MVP_GUEST_RAM, vm->ram_pa, vm->ram_size, PT_RAM) &&
	       pt_map(root, MVP_GUEST_RAM + vm->ram_size, c->frame_pa, c->frame_size, PT_RAM_NOEXEC);
}

static bool map_vault(uint64_t *root)
{
	const struct mvp_core_config *c = &mvp_core_config;
	bool ok = pt_map(root, MVP_VAULT_BASE, c->vault_pa, c->vault_size, PT_RAM) &&
		  pt_map(root, MVP_VAULT_SCREENS, c->screens_pa, c->screens_size, PT_RAM_NOEXEC) &&
		  pt_map(root, MVP_VAULT_CORE, (uint64_t)__core_start, (uint64_t)(__rodata_end - __core_start), PT_CONST);

	for (uint32_t i = 0; ok && i < c->vault_mmio_count; i++)
		ok = pt_map(root, c->vault_mmio[i].pa, c->vault_mmio[i].pa, c->vault_mmio[i].size, PT_DEVICE);
	for (uint32_t i = 0; ok && i < c->personas; i++) /* data only: the vault never runs what a persona wrote */
		ok = pt_map(root, MVP_VAULT_WINDOW((uint64_t)i), c->persona[i].ram_pa, c->persona[i].ram_size, PT_RAM_NOEXEC);
	return ok;
}

void stage2_init(void)
{
	for (uint32_t i = 0; i < VM_COUNT; i++) {
		struct vm *vm = &vms[i];
		uint64_t *root = pt_new();

		if (!root)
			core_panic("no table for stage 2 of domain", i);
		if (!(i == VM_VAULT ? map_vault(root)
				    : i >= mvp_core_config.personas || map_persona(vm, &mvp_core_config.persona[i], root)))
			core_panic("stage 2 does not fit its tables, domain", i);
		vm->vttbr = (uint64_t)root | (uint64_t)(i + 1) << 48; /* VMID 0 stays unused */
	}
	dsb(ish); /* tables before any CPU walks them */
}

/* Guests of the fake board, for tests: what a vault or a persona does with one instruction. */
#ifndef FAKE_DRIVE_H
#define FAKE_DRIVE_H

#include "machine.h"

#define ESR(ec, iss) ((uint64_t)(ec) << 26 | BIT(25) | (uint64_t)(iss))
enum { EC_WFX = 0x01, EC_FP = 0x07, EC_HVC = 0x16, EC_SMC = 0x17, EC_SYSREG = 0x18, EC_IABT = 0x20, EC_DABT = 0x24 };

#define SYSREG_ISS(op0, op1, crn, crm, op2, rt, read) \
	((uint64_t)(op0) << 20 | (uint64_t)(op2) << 17 | (uint64_t)(op1) << 14 | (uint64_t)(crn) << 10 | (uint64_t)(rt) << 5 | \
	 (uint64_t)(crm) << 1 | (uint64_t)(read))

/* The vault on cpu makes a hypercall; its x0 afterwards. */
uint64_t drive_hc(uint32_t cpu, uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3);
/* The vaults answer what they are asked, with value, until none runs. */
void drive_vaults(uint64_t value);
/* Boots, starts all personas with entry MVP_GUEST_KERNEL and every vCPU of them; the vaults wait, nothing of the personas has run but
 * what that took. */
void drive_start(void);

/* The vCPU that is cpu's guest has to be of a persona. */
uint64_t drive_psci(uint32_t cpu, bool by_smc, uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3); /* x0; meaningless if it went */
void drive_wfi(uint32_t cpu);
/* Access to emulated memory with register x5. Reads return the value. */
uint64_t drive_read(uint32_t cpu, uint64_t ipa, uint32_t width);
void drive_write(uint32_t cpu, uint64_t ipa, uint32_t width, uint64_t value);
uint64_t drive_dabt_esr(uint32_t width, bool write, uint32_t reg);
/* Passes time in steps to the next timer of any CPU, taking interrupts as they come. */
void drive_time(uint64_t ticks);
/* Makes v the guest of its home CPU, by putting the others at home there to sleep; all its siblings there must be able to. */
bool drive_until(struct vcpu *v);

#endif

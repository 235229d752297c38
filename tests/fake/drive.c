#include "drive.h"

uint64_t drive_hc(uint32_t cpu, uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct vcpu *v = fake.cpu[cpu].guest;

	if (!v || !is_vault(v))
		fake_fail("the vault does not run on CPU %u", cpu);
	v->regs.x[0] = fn;
	v->regs.x[1] = a1;
	v->regs.x[2] = a2;
	v->regs.x[3] = a3;
	fake_sync(cpu, ESR(EC_HVC, 0), 0, 0);
	return v->regs.x[0];
}

void drive_vaults(uint64_t value)
{
	bool any = true;

	for (int n = 0; any; n++) {
		any = false;
		if (n == 1000)
			fake_fail("the vault gets events without an end");
		for (uint32_t i = 0; i < mvp_core_config.cpus; i++) {
			fake_run_irqs(i);
			if (!fake.cpu[i].guest || !is_vault(fake.cpu[i].guest))
				continue;
			any = true;
			drive_hc(i, MVP_HC_WAIT, value, 0, 0);
		}
	}
}

void drive_start(void)
{
	fake_boot();
	for (uint32_t i = 0; i < mvp_core_config.personas; i++)
		if (drive_hc(0, MVP_HC_PERSONA_START, i, MVP_GUEST_KERNEL, MVP_GUEST_DTB))
			fake_fail("persona %u does not start", i);
	drive_vaults(0);
	for (uint32_t i = 0; i < mvp_core_config.personas; i++) {
		for (uint32_t k = 1; k < vms[i].vcpus; k++) {
			if (!drive_until(&vms[i].vcpu[0]))
				fake_fail("persona %u does not run", i);
			if (drive_psci((uint32_t)(vms[i].vcpu[0].home - pcpus), false, 0xc4000003, k, MVP_GUEST_KERNEL, k))
				fake_fail("vCPU %u of persona %u does not start", k, i);
			drive_vaults(0);
		}
	}
}

uint64_t drive_psci(uint32_t cpu, bool by_smc, uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct vcpu *v = fake.cpu[cpu].guest;

	v->regs.x[0] = fn;
	v->regs.x[1] = a1;
	v->regs.x[2] = a2;
	v->regs.x[3] = a3;
	fake_sync(cpu, ESR(by_smc ? EC_SMC : EC_HVC, 0), 0, 0);
	return v->regs.x[0];
}

void drive_wfi(uint32_t cpu)
{
	fake_sync(cpu, ESR(EC_WFX, 0), 0, 0);
}

uint64_t drive_dabt_esr(uint32_t width, bool write, uint32_t reg)
{
	/* ISV, SAS, SRT, SF, WnR, translation fault of level 2 (DDI 0487, ISS of a Data Abort) */
	return ESR(EC_DABT, BIT(24) | (uint64_t)__builtin_ctz(width) << 22 | (uint64_t)reg << 16 | (width == 8 ? BIT(15) : 0) |
				    (write ? BIT(6) : 0) | 6);
}

static void access(uint32_t cpu, uint64_t ipa, uint32_t width, bool write)
{
	fake_sync(cpu, drive_dabt_esr(width, write, 5), 0xffff000000000000ull | (ipa & 0xfff), ipa >> 12 << 4);
}

uint64_t drive_read(uint32_t cpu, uint64_t ipa, uint32_t width)
{
	struct vcpu *v = fake.cpu[cpu].guest;

	v->regs.x[5] = 0xdeadbeefdeadbeefull;
	access(cpu, ipa, width, false);
	return v->regs.x[5];
}

void drive_write(uint32_t cpu, uint64_t ipa, uint32_t width, uint64_t value)
{
	fake.cpu[cpu].guest->regs.x[5] = value;
	access(cpu, ipa, width, true);
}

void drive_time(uint64_t ticks)
{
	uint64_t end = fake.time + ticks;

	for (;;) {
		uint64_t next = end;

		for (uint32_t i = 0; i < mvp_core_config.cpus; i++) {
			fake_run_irqs(i);
			uint64_t t = fake_next_timer(i);
			if (t < next)
				next = t;
		}
		if (fake.time >= end)
			return;
		fake.time = next > fake.time ? next : fake.time + 1;
	}
}

bool drive_until(struct vcpu *v)
{
	uint32_t cpu = (uint32_t)(v->home - pcpus);

	for (int n = 0; n < 100; n++) {
		fake_run_irqs(cpu);
		drive_vaults(0);
		if (fake.cpu[cpu].guest == v)
			return true;
		uint64_t next = fake_next_timer(cpu);
		if (next == UINT64_MAX)
			return false;
		if (next > fake.time)
			fake.time = next;
		fake_run_irqs(cpu);
	}
	return false;
}

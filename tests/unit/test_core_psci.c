/* PSCI 1.1 (Arm DEN 0022), SMCCC 1.1 (DEN 0028) and TRNG (DEN 0098) as a persona sees them: through both conduits, at the fake machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

enum { SUCCESS = 0, NOT_SUPPORTED = -1, INVALID_PARAMETERS = -2, ALREADY_ON = -4, ON_PENDING = -5, INVALID_ADDRESS = -9 };
#define FN(n) (0x84000000ull + (n))
#define FN64(n) (0xc4000000ull + (n))
enum {
	VERSION = 0,
	CPU_SUSPEND = 1,
	CPU_OFF = 2,
	CPU_ON = 3,
	AFFINITY_INFO = 4,
	MIGRATE_INFO_TYPE = 6,
	SYSTEM_OFF = 8,
	SYSTEM_RESET = 9,
	FEATURES = 10,
	SYSTEM_RESET2 = 18,
	TRNG_VERSION = 0x50,
	TRNG_FEATURES = 0x51,
	TRNG_UUID = 0x52,
	TRNG_RND = 0x53
};
#define SMCCC_VERSION 0x80000000ull
#define SMCCC_ARCH_FEATURES 0x80000001ull
#define ENTRY (MVP_GUEST_RAM + 0x1000ull)

static struct vcpu *v0, *v1; /* of persona 0; on CPU 0 and CPU 1 */

/* Persona 0's first vCPU is CPU 0's guest, its second one CPU 1's. */
static int setup(void **state)
{
	(void)state;
	fake_smc_hook = NULL;
	drive_start();
	v0 = &vms[0].vcpu[0];
	v1 = &vms[0].vcpu[1];
	assert_true(drive_until(v0));
	assert_true(drive_until(v1));
	assert_true(drive_until(v0));
	check_begin();
	return 0;
}

/* Result registers hold 32-bit values for SMC32: the upper half of x0 is not looked at. */
static int32_t call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	return (int32_t)drive_psci(0, false, fn, a1, a2, a3);
}

/* Takes v1 down: PSCI CPU_OFF on its CPU. */
static void turn_v1_off(void)
{
	assert_true(drive_until(v1));
	(void)drive_psci(1, false, FN(CPU_OFF), 0, 0, 0);
	assert_ptr_not_equal(fake.cpu[1].guest, v1);
	assert_true(drive_until(v0));
}

static void test_version_is_1_1(void **state)
{
	(void)state;
	assert_int_equal(call(FN(VERSION), 0, 0, 0), 0x10001);
	assert_true(call(SMCCC_VERSION, 0, 0, 0) >= 0x10001);
	assert_int_equal(call(FN(MIGRATE_INFO_TYPE), 0, 0, 0), 2); /* no trusted OS, or one that does not need it */
}

static bool comes_back(uint64_t fn)
{
	uint64_t n = fn & 0xff;

	return (fn & 0xbfffff00) != 0x84000000 ||
	       (n != CPU_SUSPEND && n != CPU_OFF && n != SYSTEM_OFF && n != SYSTEM_RESET && n != SYSTEM_RESET2 && n != TRNG_RND);
}

/* SMCCC 1.1, 2.6: x4-x17 are kept, x18-x30 always; the PC is behind the instruction. */
static void test_every_function_keeps_other_registers(void **state)
{
	(void)state;
	static const uint64_t ranges[] = {
		0x84000000, 0xc4000000, 0x80000000, 0xc0000000, 0x86000000, 0xc6000000, 0x8600ff00, 0xbf00ff00, 0
	};

	for (size_t r = 0; r < ARRAY_LEN(ranges); r++) {
		for (uint64_t n = 0; n < 0x100; n++) {
			for (int by_smc = 0; by_smc < 2; by_smc++) {
				uint64_t fn = ranges[r] + n, pc = v0->regs.pc, sp = v0->regs.pstate;

				if (!comes_back(fn))
					continue;
				for (uint32_t i = 0; i < 31; i++)
					v0->regs.x[i] = 0xa000 + i;
				int32_t ret = (int32_t)drive_psci(0, by_smc, fn, 0x100, 0x33, 0x44);
				assert_ptr_equal(fake.cpu[0].guest, v0);
				assert_int_equal(v0->regs.pc, pc + (by_smc ? 4 : 0));
				assert_int_equal(v0->regs.pstate, sp);
				for (uint32_t i = 4; i < 31; i++)
					assert_int_equal(v0->regs.x[i], 0xa000 + i);
				assert_true(ret != INT32_MIN);
			}
		}
	}
}

/* PSCI_FEATURES (DEN 0022, 5.1.15) and the calls agree: what is announced is there, the rest is NOT_SUPPORTED. */
static void test_features_agree_with_the_calls(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 0x40; n++) {
		for (int wide = 0; wide < 2; wide++) {
			uint64_t fn = wide ? FN64(n) : FN(n);
			int32_t said = call(FN(FEATURES), fn, 0, 0);

			assert_true(said == NOT_SUPPORTED || said >= 0);
			if (fn == FN(FEATURES)) /* NOT_SUPPORTED is about its argument */
				continue;
			if (comes_back(fn) && said == NOT_SUPPORTED)
				assert_int_equal(call(fn, 0x100, 0, 0), NOT_SUPPORTED);
			else if (comes_back(fn))
				assert_int_not_equal(call(fn, 0x100, 0, 0), NOT_SUPPORTED);
		}
	}
	static const uint64_t mandatory[] = { FN(VERSION),       FN(CPU_OFF),         FN(CPU_ON),        FN64(CPU_ON),
					      FN(AFFINITY_INFO), FN64(AFFINITY_INFO), FN(SYSTEM_OFF),    FN(SYSTEM_RESET),
					      FN(FEATURES),      FN(CPU_SUSPEND),     FN64(CPU_SUSPEND), SMCCC_VERSION };
	for (size_t i = 0; i < ARRAY_LEN(mandatory); i++)
		assert_true(call(FN(FEATURES), mandatory[i], 0, 0) >= 0);
	/* These have no 64-bit variant. */
	static const uint64_t narrow[] = { VERSION, CPU_OFF, MIGRATE_INFO_TYPE, SYSTEM_OFF, SYSTEM_RESET, FEATURES };
	for (size_t i = 0; i < ARRAY_LEN(narrow); i++) {
		assert_int_equal(call(FN(FEATURES), FN64(narrow[i]), 0, 0), NOT_SUPPORTED);
		assert_int_equal(call(FN64(narrow[i]), 0, 0, 0), NOT_SUPPORTED);
		assert_ptr_equal(fake.cpu[0].guest, v0);
	}
}

static void test_cpu_on_refuses_what_is_wrong(void **state)
{
	(void)state;
	static const uint64_t no_cpu[] = { 2, 7, 8, 0x100, 0x101, 0x10001, 1ull << 32 | 1, 1ull << 40 | 1, 0x81000001, ~0ull };
	static const uint64_t no_entry[] = { 0, 0x1000, MVP_GUEST_GICD, MVP_GUEST_RAM - 4, ENTRY + 1, ENTRY + 2, 0x44000000, ~3ull };

	turn_v1_off();
	for (size_t i = 0; i < ARRAY_LEN(no_cpu); i++)
		assert_int_equal(call(FN64(CPU_ON), no_cpu[i], ENTRY, 0), INVALID_PARAMETERS);
	for (size_t i = 0; i < ARRAY_LEN(no_entry); i++)
		assert_int_equal(call(FN64(CPU_ON), 1, no_entry[i], 0), INVALID_ADDRESS);
	assert_int_equal(call(FN64(CPU_ON), 0, ENTRY, 0), ALREADY_ON);
	assert_int_equal(call(FN64(AFFINITY_INFO), 1, 0, 0), 1); /* off still */
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 0), SUCCESS);
	drive_vaults(0);
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 0), ALREADY_ON);
}

/* SMC32 has 32-bit arguments: what is above them does not count (DEN 0028, 3.1). SMC64 has all. */
static void test_narrow_calls_have_narrow_arguments(void **state)
{
	(void)state;
	turn_v1_off();
	assert_int_equal(call(FN64(AFFINITY_INFO), 1ull << 32 | 1, 0, 0), INVALID_PARAMETERS);
	assert_int_equal(call(FN(AFFINITY_INFO), 0xdead00000001, 0x100000000, 0), 1);
	assert_int_equal(call(0xffffffff00000000 | FN(CPU_ON), 1ull << 63 | 1, 0x500000000 | ENTRY, 0x700000055), SUCCESS);
	assert_true(drive_until(v1));
	assert_int_equal(v1->regs.pc, ENTRY);
	assert_int_equal(v1->regs.x[0], 0x55);
}

/* The state machine, step by step: CPU 1 does not look while CPU 0 calls (DEN 0022, 6.4). */
static void test_cpu_on_goes_by_on_pending(void **state)
{
	(void)state;
	turn_v1_off();
	assert_int_equal(call(FN64(AFFINITY_INFO), 1, 0, 0), 1);
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 7), SUCCESS);
	assert_int_equal(call(FN64(AFFINITY_INFO), 1, 0, 0), 2);
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY + 64, 8), ON_PENDING);
	assert_int_equal(call(FN(CPU_ON), 1, ENTRY + 64, 8), ON_PENDING);
	assert_true(drive_until(v1));
	assert_int_equal(v1->regs.x[0], 7); /* the first caller's */
	assert_int_equal(v1->regs.pc, ENTRY);
	assert_int_equal(call(FN64(AFFINITY_INFO), 1, 0, 0), 0);
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 7), ALREADY_ON);
}

/* Two callers at once: while one writes its arguments the other gets ON_PENDING and touches nothing. */
static void test_cpu_on_is_claimed_by_one_caller(void **state)
{
	(void)state;
	turn_v1_off();
	uint32_t live = vms[0].live;
	v1->on_entry = 0x1234;
	v1->state = VCPU_CLAIMED;
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 0), ON_PENDING);
	assert_int_equal(call(FN64(AFFINITY_INFO), 1, 0, 0), 2);
	assert_int_equal(v1->on_entry, 0x1234);
	assert_int_equal(vms[0].live, live);
	fake_trap(1, FAKE_TRAP_IRQ); /* its home CPU leaves a claimed one alone */
	assert_int_equal(v1->state, VCPU_CLAIMED);
}

static void test_affinity_info_knows_level_0(void **state)
{
	(void)state;
	assert_int_equal(call(FN64(AFFINITY_INFO), 0, 0, 0), 0);
	assert_int_equal(call(FN64(AFFINITY_INFO), 5, 0, 0), INVALID_PARAMETERS);
	for (uint64_t level = 1; level < 6; level++)
		assert_int_equal(call(FN64(AFFINITY_INFO), 0, level, 0), INVALID_PARAMETERS);
}

/* Nothing of an earlier life is left: general, EL1 and FP registers, timer, interrupt interface. */
static void test_a_started_cpu_is_as_after_reset(void **state)
{
	(void)state;
	assert_true(drive_until(v1));
	struct fake_cpu *c = &fake.cpu[1];
	for (uint32_t i = 0; i < 31; i++)
		v1->regs.x[i] = 0x5ec12e7;
	for (uint32_t i = 0; i < FAKE_EL1; i++)
		c->r[R_EL1 + i] = 0x5ec12e7;
	fake_sync(1, ESR(EC_FP, 0), 0, 0);
	for (uint32_t i = 0; i < 66; i++)
		c->fp[i] = 0x5ec12e7;
	c->r[R_CNTV_CTL] = 3;
	c->r[R_CNTV_CVAL] = 0x5ec12e7;
	c->r[R_ICH_VMCR] = 0xf04c0003;
	c->r[R_ICH_AP1R0] = 0xff;
	turn_v1_off();
	assert_int_equal(call(FN64(CPU_ON), 1, ENTRY, 0x77), SUCCESS);
	assert_true(drive_until(v1));
	for (uint32_t i = 0; i < 31; i++)
		assert_int_equal(v1->regs.x[i], i ? 0 : 0x77);
	assert_int_equal(v1->regs.pstate, 0x3c5);
	for (uint32_t i = 0; i < FAKE_EL1; i++)
		assert_int_equal(c->r[R_EL1 + i], i ? 0 : 0x30d00800);
	assert_int_equal(c->r[R_CNTV_CTL], 0);
	assert_int_equal(c->r[R_ICH_VMCR], 0);
	assert_int_equal(c->r[R_ICH_AP1R0] | c->r[R_ICH_AP0R0], 0);
	fake_sync(1, ESR(EC_FP, 0), 0, 0);
	for (uint32_t i = 0; i < 66; i++)
		assert_int_equal(c->fp[i], 0);
}

/* Runs until the vault has heard of what became of persona 0; returns the MVP_PERSONA_* it was told, -1: nothing. */
static int persona_event(void)
{
	for (int n = 0; n < 100; n++) {
		for (uint32_t i = 0; i < 2; i++) {
			struct vcpu *g;

			fake_run_irqs(i);
			g = fake.cpu[i].guest;
			if (!g || !is_vault(g))
				continue;
			if (g->regs.x[0] == MVP_EV_PERSONA) {
				assert_int_equal(g->regs.x[1], 0);
				return (int)g->regs.x[2];
			}
			drive_hc(i, MVP_HC_WAIT, 0, 0, 0);
		}
	}
	return -1;
}

static void ends_alone(uint64_t fn, int event)
{
	(void)drive_psci(0, true, fn, 0, 0, 0);
	assert_int_equal(persona_event(), event);
	drive_vaults(0);
	assert_int_equal(v0->state, VCPU_OFF);
	assert_int_equal(v1->state, VCPU_OFF);
	assert_true(drive_until(&vms[1].vcpu[0])); /* the other persona goes on */
	assert_true(drive_until(&vms[1].vcpu[1]));
	assert_int_equal(fake.smcs > 0 ? 1 : 0, 1); /* CPU_ON of the second CPU: nothing of a persona */
}

static void test_system_off_ends_the_persona_alone(void **state)
{
	(void)state;
	ends_alone(FN(SYSTEM_OFF), MVP_PERSONA_OFF);
}

static void test_system_reset_ends_the_persona_alone(void **state)
{
	(void)state;
	ends_alone(FN(SYSTEM_RESET), MVP_PERSONA_RESET);
}

static void test_the_last_cpu_off_is_the_end(void **state)
{
	(void)state;
	turn_v1_off();
	assert_int_equal(persona_event(), -1);
	assert_true(drive_until(v0));
	(void)drive_psci(0, false, FN(CPU_OFF), 0, 0, 0);
	assert_int_equal(persona_event(), MVP_PERSONA_OFF);
}

static void test_suspend_is_standby_until_an_interrupt(void **state)
{
	(void)state;
	uint64_t sgi = MVP_GUEST_GICR + 0x10000, pc = v0->regs.pc;

	drive_write(0, MVP_GUEST_GICD, 4, 2);
	drive_write(0, sgi + 0x80, 4, ~0u);
	drive_write(0, sgi + 0x100, 4, 1u << MVP_GUEST_VTIMER_INTID);
	pc = v0->regs.pc;
	fake.cpu[0].r[R_CNTV_CVAL] = fake.time + 1000;
	fake.cpu[0].r[R_CNTV_CTL] = 1;
	(void)drive_psci(0, false, FN64(CPU_SUSPEND), 0, 0, 0);
	assert_int_equal(v0->state, VCPU_BLOCKED);
	drive_time(2000);
	assert_true(drive_until(v0));
	assert_int_equal(v0->regs.x[0], SUCCESS);
	assert_int_equal(v0->regs.pc, pc);
	(void)drive_psci(0, false, FN64(CPU_SUSPEND), 0, 0, 0); /* the interrupt waits still: no sleep */
	assert_int_equal(v0->state, VCPU_READY);
	assert_int_equal(v0->regs.x[0], SUCCESS);
}

static void workaround(uint64_t r[4])
{
	if ((r[0] == SMCCC_ARCH_FEATURES && r[1] == 0x80008000) || r[0] == 0x80008000)
		r[0] = 0;
	else
		r[0] = r[0] == FN(FEATURES) && r[1] == SMCCC_VERSION ? 0 : (uint64_t)-1;
}

/* SMCCC_ARCH_FEATURES: the workarounds that this firmware has, and no others; nothing else reaches it. */
static void test_workarounds_are_the_firmwares(void **state)
{
	(void)state;
	assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, 0x80008000, 0, 0), NOT_SUPPORTED);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, 0x84000000, 0, 0), NOT_SUPPORTED);
	assert_int_equal(call(0x80008000, 0, 0, 0), NOT_SUPPORTED);
	fake_smc_hook = workaround;
	drive_start();
	assert_true(drive_until(v0));
	assert_int_equal(call(SMCCC_ARCH_FEATURES, 0x80008000, 0, 0), SUCCESS);
	assert_int_equal(call(SMCCC_ARCH_FEATURES, 0x80007fff, 0, 0), NOT_SUPPORTED);
	uint32_t calls = fake.smcs;
	assert_int_equal(call(0x80008000, 0, 0, 0), SUCCESS);
	assert_int_equal(fake.smcs, calls + 1);
	for (uint64_t fn = 0x82000000; fn < 0x82000100; fn++)
		assert_int_equal(call(fn, 0, 0, 0), NOT_SUPPORTED);
	assert_int_equal(fake.smcs, calls + 1);
}

static uint32_t mitigated, unmitigated; /* CPUs on which the switch was set: bit maps */

static void switchable(uint64_t r[4])
{
	bool says_so = r[0] == SMCCC_ARCH_FEATURES && r[1] == 0x80007fff;

	if (r[0] == 0x80007fff)
		*(r[1] ? &mitigated : &unmitigated) |= 1u << (fake_now - fake.cpu);
	r[0] = says_so || r[0] == 0x80007fff || (r[0] == FN(FEATURES) && r[1] == SMCCC_VERSION) ? 0 : (uint64_t)-1;
}

/* SMCCC_ARCH_WORKAROUND_2 (DEN 0028, 7.4) is a switch of the physical CPU, on which the other persona and the vault run, too. */
static void test_store_bypass_is_not_a_personas_to_switch(void **state)
{
	(void)state;
	fake_smc_hook = switchable;
	mitigated = unmitigated = 0;
	drive_start();
	assert_int_equal(mitigated, 3);
	mitigated = 0;
	assert_true(drive_until(v0));
	assert_int_equal(call(SMCCC_ARCH_FEATURES, 0x80007fff, 0, 0), 1); /* not required: it is on, whoever runs */
	(void)call(0x80007fff, 0, 0, 0);
	(void)call(0x80007fff, 1, 0, 0);
	assert_int_equal(mitigated | unmitigated, 0);
	fake_smc_hook = NULL;
}

static void test_random_numbers_identify_themselves(void **state)
{
	(void)state;
	assert_int_equal(call(FN(TRNG_VERSION), 0, 0, 0) >> 16, 1);
	for (uint64_t n = TRNG_VERSION; n <= TRNG_RND; n++)
		assert_int_equal(call(FN(TRNG_FEATURES), FN(n), 0, 0), SUCCESS);
	assert_int_equal(call(FN(TRNG_FEATURES), FN64(TRNG_RND), 0, 0), SUCCESS);
	/* These have no 64-bit variant (DEN 0098, 2). */
	assert_int_equal(call(FN(TRNG_FEATURES), FN64(TRNG_VERSION), 0, 0), NOT_SUPPORTED);
	assert_int_equal(call(FN(TRNG_FEATURES), FN(TRNG_RND + 1), 0, 0), NOT_SUPPORTED);
	assert_int_not_equal(call(FN(TRNG_UUID), 0, 0, 0), NOT_SUPPORTED);
	static const uint64_t wrong[] = { 0, 193, 1ull << 32 | 1, ~0ull };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(call(FN64(TRNG_RND), wrong[i], 0, 0), INVALID_PARAMETERS);
	assert_int_equal(call(FN(TRNG_RND), 97, 0, 0), INVALID_PARAMETERS);
}

/* The vault has the entropy; bits that were not asked for are zero (DEN 0098, 2.5). */
static void ask(uint64_t fn, uint64_t bits, uint64_t x1, uint64_t x2, uint64_t x3)
{
	assert_true(drive_until(v0));
	(void)drive_psci(0, false, fn, bits, 0, 0);
	struct vcpu *vault = fake.cpu[0].guest;
	assert_true(is_vault(vault));
	assert_int_equal(vault->regs.x[0], MVP_EV_RANDOM);
	vault->regs.x[4] = vault->regs.x[5] = ~0ull;
	drive_hc(0, MVP_HC_WAIT, 1, 0, ~0ull);
	assert_true(drive_until(v0));
	assert_int_equal(v0->regs.x[0], SUCCESS);
	assert_int_equal(v0->regs.x[1], x1);
	assert_int_equal(v0->regs.x[2], x2);
	assert_int_equal(v0->regs.x[3], x3);
}

static void test_random_numbers_come_from_the_vault(void **state)
{
	(void)state;
	ask(FN64(TRNG_RND), 192, ~0ull, ~0ull, ~0ull);
	ask(FN64(TRNG_RND), 1, 0, 0, 1);
	ask(FN64(TRNG_RND), 100, 0, BIT(36) - 1, ~0ull);
	ask(FN(TRNG_RND), 96, 0xffffffff, 0xffffffff, 0xffffffff);
	ask(FN(TRNG_RND), 33, 0, 1, 0xffffffff);
	(void)drive_psci(0, false, FN64(TRNG_RND), 64, 0, 0);
	drive_hc(0, MVP_HC_WAIT, 0, 0, ~0ull);
	assert_true(drive_until(v0));
	assert_int_equal((int32_t)v0->regs.x[0], -3); /* NO_ENTROPY */
	assert_int_equal(v0->regs.x[1] | v0->regs.x[2] | v0->regs.x[3], 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_version_is_1_1),
		T(test_every_function_keeps_other_registers),
		T(test_features_agree_with_the_calls),
		T(test_cpu_on_refuses_what_is_wrong),
		T(test_narrow_calls_have_narrow_arguments),
		T(test_cpu_on_goes_by_on_pending),
		T(test_cpu_on_is_claimed_by_one_caller),
		T(test_affinity_info_knows_level_0),
		T(test_a_started_cpu_is_as_after_reset),
		T(test_system_off_ends_the_persona_alone),
		T(test_system_reset_ends_the_persona_alone),
		T(test_the_last_cpu_off_is_the_end),
		T(test_suspend_is_standby_until_an_interrupt),
		T(test_workarounds_are_the_firmwares),
		T(test_store_bypass_is_not_a_personas_to_switch),
		T(test_random_numbers_identify_themselves),
		T(test_random_numbers_come_from_the_vault),
	};

	return cmocka_run_group_tests_name("core_psci", tests, NULL, NULL);
}

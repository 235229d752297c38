/* The core from power-on to its first guests, on the fake machine, whose registers start with garbage: the controls of EL2, and what the
 * vault finds on each CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

static int setup(void **state)
{
	(void)state;
	fake_boot();
	return 0;
}

static void test_boot_enters_the_vault_on_the_first_cpu(void **state)
{
	(void)state;
	const struct vcpu *v = fake.cpu[0].guest;

	assert_non_null(v);
	assert_ptr_equal(v, &vms[VM_VAULT].vcpu[0]);
	assert_int_equal(v->regs.pc, MVP_VAULT_BASE);
	assert_int_equal(v->regs.x[0], 0);
	assert_int_equal(v->regs.x[1], 2);
	assert_int_equal(v->regs.pstate, 0x3c5);
	assert_true(fake.cpu[1].idle);
	assert_false(fake.cpu[2].on);
}

static void test_other_cpus_enter_the_vault_when_the_first_waits(void **state)
{
	(void)state;
	fake_run_irqs(1);
	assert_null(fake.cpu[1].guest);
	drive_hc(0, MVP_HC_WAIT, 0, 0, 0);
	fake_run_irqs(1);
	const struct vcpu *v = fake.cpu[1].guest;
	assert_ptr_equal(v, &vms[VM_VAULT].vcpu[1]);
	assert_int_equal(v->regs.pc, MVP_VAULT_BASE);
	assert_int_equal(v->regs.x[0], 1);
	assert_int_equal(v->regs.x[1], 2);
	drive_hc(1, MVP_HC_WAIT, 0, 0, 0);
	assert_true(fake.cpu[0].idle && fake.cpu[1].idle);
}

/* DDI 0487, D19.2: what an EL2 must have written before its first guest, as nothing of it is defined at reset. */
static void test_controls_are_written_on_every_cpu(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const struct fake_cpu *c = &fake.cpu[i];

		assert_int_equal(c->r[R_HCR] & (BIT(0) | BIT(3) | BIT(4) | BIT(5) | BIT(18) | BIT(19) | BIT(31)),
				 BIT(0) | BIT(3) | BIT(4) | BIT(5) | BIT(18) | BIT(19) | BIT(31));
		assert_int_equal(c->r[R_HCR] & (BIT(27) | BIT(29) | BIT(34)), 0); /* TGE, HCD, E2H */
		assert_int_equal(c->r[R_CNTVOFF], 0);
		assert_int_equal(c->r[R_CNTHCTL] & 3, 1);
		assert_int_equal(c->r[R_HSTR], 0);
		assert_int_equal(c->r[R_CNTV_CTL], 0);
		assert_int_equal(c->r[R_CNTHP_CTL], 0);
		assert_int_equal(c->r[R_ICC_SRE_EL2] & 9, 9); /* SRE, Enable */
		assert_int_equal(c->r[R_ICH_HCR], 0);
		assert_int_equal(c->r[R_MDCR] & 0xe60, 0xe60); /* debug and performance counters are trapped */
		assert_int_equal(c->waker, 0);
		assert_int_equal(c->local.enabled & (BIT(25) | BIT(26) | BIT(27)), BIT(25) | BIT(26) | BIT(27));
		assert_int_equal(c->local.group, ~0u);
	}
}

static void test_personas_do_not_run_before_they_are_started(void **state)
{
	(void)state;
	drive_vaults(0);
	for (uint32_t i = 0; i < mvp_core_config.personas; i++)
		for (uint32_t k = 0; k < vms[i].vcpus; k++)
			assert_int_equal(vms[i].vcpu[k].state, VCPU_OFF);
	assert_true(fake.cpu[0].idle && fake.cpu[1].idle);
	assert_int_equal(fake_next_timer(0), UINT64_MAX);
}

static void panic_by(uint64_t fn)
{
	jmp_buf off;

	fake_boot();
	fake_power_off = &off;
	if (!setjmp(off)) {
		drive_hc(0, fn, 1, 0xbad, 0);
		fake_power_off = NULL;
		fail();
	}
	fake_power_off = NULL;
}

static void test_the_vault_may_end_everything(void **state)
{
	(void)state;
	panic_by(MVP_HC_POWER);
	assert_int_equal(fake.uart_len, 0);
	panic_by(MVP_HC_PANIC);
	assert_true(fake.uart_len > 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_boot_enters_the_vault_on_the_first_cpu), T(test_other_cpus_enter_the_vault_when_the_first_waits),
		T(test_controls_are_written_on_every_cpu),      T(test_personas_do_not_run_before_they_are_started),
		T(test_the_vault_may_end_everything),
	};

	return cmocka_run_group_tests_name("core_boot", tests, NULL, NULL);
}

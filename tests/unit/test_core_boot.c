/* The core from power-on to its first guests, on the fake machine: the controls of EL2 and what the vault finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/machine.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_boot_enters_the_vault_on_the_first_cpu, setup),
	};

	return cmocka_run_group_tests_name("core_boot", tests, NULL, NULL);
}

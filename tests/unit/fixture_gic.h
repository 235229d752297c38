/* Tests of the virtual GICv3 on the fake machine: persona 0 with a vCPU on each of two CPUs, whose registers wr() and rd() access as its
 * vCPU 0. Include it instead of cmocka.h. */
#ifndef TESTS_UNIT_FIXTURE_GIC_H
#define TESTS_UNIT_FIXTURE_GIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

enum { SGI_FRAME = 0x10000, SPIS = 64 };
#define GICD(off) (MVP_GUEST_GICD + (off))
#define GICR(vcpu, off) (MVP_GUEST_GICR + (uint64_t)(vcpu)*MVP_GUEST_GICR_STRIDE + (off))
#define NONE FAKE_NONE

static struct vcpu *v0, *v1; /* of persona 0, each alone on its CPU: the other persona has not been started further than it must */

static inline int setup(void **state)
{
	(void)state;
	drive_start();
	v0 = &vms[0].vcpu[0];
	v1 = &vms[0].vcpu[1];
	for (uint32_t i = 0; i < 2; i++) { /* the other persona sleeps */
		assert_true(drive_until(&vms[1].vcpu[i]));
		drive_wfi(i);
	}
	assert_true(drive_until(v0));
	assert_true(drive_until(v1));
	return 0;
}

static inline void wr(uint64_t ipa, uint32_t width, uint64_t val)
{
	uint64_t pc = v0->regs.pc;

	drive_write(0, ipa, width, val);
	assert_int_equal(v0->regs.pc, pc + 4);
	fake_run_irqs(0);
	fake_run_irqs(1);
}

static inline uint64_t rd(uint64_t ipa, uint32_t width)
{
	uint64_t pc = v0->regs.pc, val = drive_read(0, ipa, width);

	assert_int_equal(v0->regs.pc, pc + 4);
	return val;
}

#endif

/* The virtual GICv3 (Arm IHI 0069) as a persona sees it: registers by memory accesses that trap, interrupts at the CPU interface of the
 * fake machine, whose list registers the core fills. test_core_gic_regs.c has the registers. */
#include "tests/unit/fixture_gic.h"

/* ---- delivery ---- */

/* The usual set-up of a kernel: group 1, all enabled, priorities by a table, EOImode 0. */
static void set_up(bool eoi_mode_1)
{
	wr(GICD(0), 4, 0x2);
	for (uint32_t i = 0; i < 2; i++) {
		wr(GICR(i, SGI_FRAME + 0x80), 4, ~0u);
		wr(GICR(i, SGI_FRAME + 0x100), 4, ~0u);
		for (uint32_t k = 0; k < 32; k += 4)
			wr(GICR(i, SGI_FRAME + 0x400 + k), 4, 0xa0a0a0a0);
		fake.cpu[i].r[R_ICH_VMCR] = 0xff4c0002 | (eoi_mode_1 ? BIT(9) : 0);
	}
	for (uint32_t i = 32; i < 32 + SPIS; i += 32) {
		wr(GICD(0x80 + i / 8), 4, ~0u);
		wr(GICD(0x100 + i / 8), 4, ~0u);
	}
	for (uint32_t i = 32; i < 32 + SPIS; i += 4)
		wr(GICD(0x400 + i), 4, 0xa0a0a0a0);
}

static void set_edge(uint32_t intid)
{
	uint64_t reg = GICD(0xc00 + intid / 16 * 4);

	wr(reg, 4, rd(reg, 4) | 2ull << intid % 16 * 2);
}

static void settle(void)
{
	for (int n = 0; n < 4; n++) {
		fake_run_irqs(0);
		fake_run_irqs(1);
	}
}

/* The vault sets a line of persona 0: it gets to run by an access of v0 to one of its devices. */
static void line(uint32_t intid, bool level)
{
	(void)drive_read(0, MVP_GUEST_UART, 4);
	assert_true(fake.cpu[0].guest && is_vault(fake.cpu[0].guest));
	assert_int_equal(drive_hc(0, MVP_HC_IRQ_LINE, 0, intid - 32, level), 0);
	drive_hc(0, MVP_HC_WAIT, 0, 0, 0);
	assert_ptr_equal(fake.cpu[0].guest, v0);
	settle();
}

static uint32_t ack(uint32_t cpu)
{
	return fake_guest_ack(&fake.cpu[cpu], 1);
}

static void eoi(uint32_t cpu, uint32_t intid)
{
	fake_guest_eoi(&fake.cpu[cpu], 1, intid);
	settle();
}

/* ICC_DIR_EL1: traps when the core wants it (ICH_HCR_EL2.TDIR). */
static void dir(uint32_t cpu, uint32_t intid)
{
	if (fake.cpu[cpu].r[R_ICH_HCR] & BIT(14)) {
		fake.cpu[cpu].guest->regs.x[5] = intid;
		fake_sync(cpu, ESR(EC_SYSREG, SYSREG_ISS(3, 0, 12, 11, 1, 5, 0)), 0, 0);
	} else {
		fake_guest_dir(&fake.cpu[cpu], intid);
	}
	settle();
}

static void sgi(uint32_t cpu, uint64_t val)
{
	fake.cpu[cpu].guest->regs.x[5] = val;
	fake_sync(cpu, ESR(EC_SYSREG, SYSREG_ISS(3, 0, 12, 11, 5, 5, 0)), 0, 0);
	settle();
}

static bool active(uint32_t intid)
{
	return rd((intid < 32 ? GICR(0, SGI_FRAME + 0x300) : GICD(0x300 + intid / 32 * 4)), 4) >> intid % 32 & 1;
}

static bool pending(uint32_t intid)
{
	return rd((intid < 32 ? GICR(0, SGI_FRAME + 0x200) : GICD(0x200 + intid / 32 * 4)), 4) >> intid % 32 & 1;
}

static void test_states_of_an_edge_interrupt(void **state)
{
	(void)state;
	set_up(false);
	set_edge(40);
	assert_int_equal(ack(0), NONE);
	line(40, true);
	line(40, false);
	assert_true(pending(40) && !active(40));
	assert_int_equal(ack(0), 40);
	assert_true(!pending(40) && active(40));
	line(40, true); /* again while active: active and pending */
	assert_true(pending(40) && active(40));
	assert_int_equal(ack(0), NONE);
	eoi(0, 40);
	assert_true(pending(40) && !active(40));
	assert_int_equal(ack(0), 40);
	eoi(0, 40);
	assert_true(!pending(40) && !active(40));
	assert_int_equal(ack(0), NONE); /* the line is high still: no new edge */
}

static void test_states_of_a_level_interrupt(void **state)
{
	(void)state;
	set_up(false);
	line(40, true);
	assert_true(pending(40));
	wr(GICD(0x284), 4, BIT(8)); /* clear-pending does not reach the line */
	assert_true(pending(40));
	assert_int_equal(ack(0), 40);
	eoi(0, 40);
	assert_int_equal(ack(0), 40); /* still asserted */
	line(40, false);
	assert_true(!pending(40) && active(40));
	eoi(0, 40);
	assert_int_equal(ack(0), NONE);
	assert_true(!pending(40) && !active(40));
	line(40, true);
	line(40, false); /* gone before it was taken */
	assert_int_equal(ack(0), NONE);
}

static void test_pending_survives_disable(void **state)
{
	(void)state;
	set_up(false);
	set_edge(40);
	wr(GICD(0x184), 4, BIT(8));
	line(40, true);
	assert_int_equal(ack(0), NONE);
	assert_true(pending(40));
	wr(GICD(0x104), 4, BIT(8));
	wr(GICD(0x184), 4, BIT(8)); /* disabled again before it was taken */
	assert_int_equal(ack(0), NONE);
	assert_true(pending(40));
	wr(GICD(0x104), 4, BIT(8));
	assert_int_equal(ack(0), 40);
}

static void test_software_makes_and_clears_pending(void **state)
{
	(void)state;
	set_up(false);
	for (uint32_t edge = 0; edge < 2; edge++) {
		if (edge)
			set_edge(41);
		wr(GICD(0x204), 4, BIT(9));
		assert_true(pending(41));
		wr(GICD(0x284), 4, BIT(9));
		assert_false(pending(41));
		assert_int_equal(ack(0), NONE);
		wr(GICD(0x204), 4, BIT(9));
		assert_int_equal(ack(0), 41);
		eoi(0, 41);
		assert_int_equal(ack(0), NONE);
	}
}

static void test_priority_orders_and_preempts(void **state)
{
	(void)state;
	set_up(false);
	for (uint32_t i = 40; i < 44; i++) {
		set_edge(i);
		wr(GICD(0x400 + i), 1, 0xc0 - (i - 40) * 0x20);
	}
	line(40, true);
	assert_int_equal(ack(0), 40);
	line(42, true);
	line(41, true);
	assert_int_equal(ack(0), 42); /* preempts 40, before 41 */
	assert_int_equal(ack(0), NONE);
	line(43, true);
	assert_int_equal(ack(0), 43);
	eoi(0, 43);
	eoi(0, 42);
	assert_int_equal(ack(0), 41);
	eoi(0, 41);
	eoi(0, 40);
	assert_int_equal(ack(0), NONE);
	assert_int_equal(fake.cpu[0].r[R_ICH_AP1R0], 0);
}

/* More pending than list registers: all are taken, the most urgent first, whatever came first. */
static void test_overflow_delivers_everything_in_order(void **state)
{
	(void)state;
	set_up(false);
	for (uint32_t i = 0; i < 24; i++) {
		set_edge(40 + i);
		wr(GICD(0x400 + 40 + i), 1, 0xf0 - i * 8);
	}
	for (uint32_t i = 0; i < 24; i++)
		line(40 + i, true);
	for (uint32_t i = 24; i-- > 0;) {
		assert_int_equal(ack(0), 40 + i);
		eoi(0, 40 + i);
	}
	assert_int_equal(ack(0), NONE);
	assert_int_equal(fake_misr(&fake.cpu[0]), 0);
}

/* The guest is at its handler's work, with its interrupts masked or its priority mask closed: waiting ones must not keep the core busy. */
static void test_overflow_does_not_storm(void **state)
{
	(void)state;
	set_up(false);
	for (uint32_t i = 0; i < 24; i++) {
		set_edge(40 + i);
		line(40 + i, true);
	}
	uint64_t before = fake.steps;
	settle();
	assert_int_equal(fake.steps, before); /* no interrupt is pending for EL2 */
	assert_int_equal(ack(0), 40);
	settle();
	fake.cpu[0].r[R_ICH_VMCR] &= 0x00ffffff;
	before = fake.steps;
	settle();
	assert_int_equal(fake.steps, before);
}

/* More active than list registers, by preemption: ended in order, each is inactive afterwards and none is lost. */
static void many_active(bool mode_1)
{
	enum { N = 12 };

	set_up(mode_1);
	for (uint32_t i = 0; i < N; i++) {
		set_edge(40 + i);
		wr(GICD(0x400 + 40 + i), 1, 0xf0 - i * 8);
	}
	for (uint32_t i = 0; i < N; i++) {
		line(40 + i, true);
		line(40 + i, false);
		assert_int_equal(ack(0), 40 + i);
		settle();
	}
	for (uint32_t i = 0; i < N; i++)
		assert_true(active(40 + i));
}

static void test_more_active_than_list_registers(void **state)
{
	(void)state;
	many_active(false);
	for (uint32_t i = 12; i-- > 0;) {
		eoi(0, 40 + i);
		assert_false(active(40 + i));
		if (i)
			assert_true(active(40 + i - 1));
	}
	assert_int_equal(ack(0), NONE);
	for (uint32_t i = 0; i < 12; i++) { /* they come again */
		line(40 + i, true);
		assert_int_equal(ack(0), 40 + i);
		eoi(0, 40 + i);
	}
}

/* EOImode 1: priority drops in order, deactivation in any. */
static void test_deactivation_in_any_order(void **state)
{
	(void)state;
	static const uint32_t order[12] = { 3, 11, 0, 7, 1, 10, 5, 4, 9, 2, 6, 8 };

	many_active(true);
	for (uint32_t i = 12; i-- > 0;)
		eoi(0, 40 + i);
	assert_int_equal(fake.cpu[0].r[R_ICH_AP1R0], 0);
	for (uint32_t i = 0; i < 12; i++) {
		assert_true(active(40 + order[i]));
		dir(0, 40 + order[i]);
		assert_false(active(40 + order[i]));
		for (uint32_t k = i + 1; k < 12; k++)
			assert_true(active(40 + order[k]));
	}
	dir(0, 40);
	dir(0, 1019);
	assert_int_equal(ack(0), NONE);
}

/* An active one waits for its deactivation though its priority is dropped; others are taken. */
static void test_dropped_but_active_is_not_taken_again(void **state)
{
	(void)state;
	set_up(true);
	line(40, true);
	assert_int_equal(ack(0), 40);
	eoi(0, 40);
	assert_int_equal(ack(0), NONE);
	set_edge(41);
	line(41, true);
	assert_int_equal(ack(0), 41);
	eoi(0, 41);
	dir(0, 41);
	dir(0, 40);
	assert_int_equal(ack(0), 40);
}

static void test_active_state_by_registers(void **state)
{
	(void)state;
	set_up(false);
	set_edge(40);
	wr(GICD(0x304), 4, BIT(8));
	assert_true(active(40));
	line(40, true);
	assert_int_equal(ack(0), NONE);
	wr(GICD(0x384), 4, BIT(8));
	assert_int_equal(ack(0), 40);
	wr(GICD(0x384), 4, BIT(8)); /* while the handler runs */
	assert_false(active(40));
	line(40, false);
	line(40, true);
	assert_true(pending(40));
	eoi(0, 40); /* drops the priority; there is nothing to deactivate */
	assert_int_equal(ack(0), 40);
}

static void test_routes_and_rerouting(void **state)
{
	(void)state;
	set_up(false);
	set_edge(60);
	wr(GICD(0x6000 + 8 * 60), 8, 1);
	line(60, true);
	assert_int_equal(ack(0), NONE);
	assert_int_equal(ack(1), 60);
	eoi(1, 60);
	line(60, false);
	line(60, true); /* pending for vCPU 1, then rerouted before it took it */
	wr(GICD(0x6000 + 8 * 60), 8, 0);
	fake_trap(0, FAKE_TRAP_IRQ);
	settle();
	fake_trap(0, FAKE_TRAP_IRQ);
	assert_int_equal(ack(1), NONE);
	assert_int_equal(ack(0), 60);
	wr(GICD(0x6000 + 8 * 60), 8, 1); /* while active: its EOI is where it was taken */
	eoi(0, 60);
	assert_false(active(60));
	line(60, false);
	line(60, true);
	assert_int_equal(ack(1), 60);
}

static void test_remote_active_and_pending_can_be_cleared(void **state)
{
	(void)state;
	set_up(false);
	set_edge(60);
	wr(GICD(0x6000 + 8 * 60), 8, 1);
	line(60, true);
	wr(GICD(0x280 + 4), 4, BIT(28)); /* it waits in vCPU 1's list register */
	assert_false(pending(60));
	settle();
	fake_trap(1, FAKE_TRAP_IRQ);
	assert_int_equal(ack(1), NONE);
	line(60, false);
	line(60, true);
	assert_int_equal(ack(1), 60);
	wr(GICD(0x380 + 4), 4, BIT(28));
	settle();
	assert_false(active(60));
}

static void test_sgi_decoding(void **state)
{
	(void)state;
	set_up(false);
	static const struct {
		uint64_t val;
		bool to0, to1;
	} cases[] = {
		{ 0x1, true, false },
		{ 0x2, false, true },
		{ 0x3, true, true },
		{ 0xfffc, false, false },
		{ BIT(40), false, true },              /* IRM: all but the sender */
		{ BIT(40) | 1, false, true },          /* the target list counts for nothing then */
		{ 1ull << 16 | 3, false, false },      /* Aff1 */
		{ 1ull << 32 | 3, false, false },      /* Aff2 */
		{ 1ull << 48 | 3, false, false },      /* Aff3 */
		{ 1ull << 44 | 3, false, false },      /* range 16 to 31 */
		{ 0xf000000000000003ull, true, true }, /* RES0 bits */
	};

	for (uint32_t n = 0; n < 16; n++) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			sgi(0, cases[i].val | (uint64_t)n << 24);
			assert_int_equal(ack(0), cases[i].to0 ? n : NONE);
			assert_int_equal(ack(1), cases[i].to1 ? n : NONE);
			if (cases[i].to0)
				eoi(0, n);
			if (cases[i].to1)
				eoi(1, n);
		}
	}
}

static void test_sgi_of_the_other_group_is_dropped(void **state)
{
	(void)state;
	set_up(false);
	wr(GICR(1, SGI_FRAME + 0x80), 4, ~BIT(5));
	sgi(0, 2 | 5ull << 24);
	assert_int_equal(rd(GICR(1, SGI_FRAME + 0x200), 4), 0);
}

static void test_groups_are_gated(void **state)
{
	(void)state;
	set_up(false);
	set_edge(40);
	wr(GICD(0x84), 4, ~BIT(8)); /* 40 is group 0 */
	line(40, true);
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 0), NONE); /* neither the distributor nor the interface has it enabled */
	wr(GICD(0), 4, 3);
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 0), NONE);
	fake.cpu[0].r[R_ICH_VMCR] |= 1;
	assert_int_equal(ack(0), NONE);
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 0), 40);
}

/* ---- the timer, tied to the physical interrupt ---- */

static void fire(uint64_t in)
{
	fake.cpu[0].r[R_CNTV_CVAL] = fake.time + in;
	fake.cpu[0].r[R_CNTV_CTL] = 1;
	drive_time(in + 1);
}

static void test_timer_again_and_again(void **state)
{
	(void)state;
	for (int mode = 0; mode < 2; mode++) {
		set_up(mode);
		for (int i = 0; i < 20; i++) {
			fire(100);
			assert_int_equal(ack(0), 27);
			assert_int_equal(ack(0), NONE);
			assert_true(active(27));
			fake.cpu[0].r[R_CNTV_CTL] = 0;
			eoi(0, 27);
			if (mode)
				dir(0, 27);
			assert_false(active(27));
			assert_int_equal(ack(0), NONE);
		}
	}
}

static void test_timer_is_a_level(void **state)
{
	(void)state;
	set_up(false);
	fire(100);
	assert_int_equal(ack(0), 27);
	eoi(0, 27); /* the handler did not move it: it asks again */
	assert_int_equal(ack(0), 27);
	fire(1000);
	eoi(0, 27);
	fake_run_irqs(0);
	assert_int_equal(ack(0), 27);
}

static void test_timer_survives_disable_and_clear(void **state)
{
	(void)state;
	set_up(false);
	wr(GICR(0, SGI_FRAME + 0x180), 4, BIT(27));
	fire(100);
	assert_int_equal(ack(0), NONE);
	wr(GICR(0, SGI_FRAME + 0x280), 4, BIT(27)); /* clear-pending does not reach the line */
	wr(GICR(0, SGI_FRAME + 0x100), 4, BIT(27));
	fake_run_irqs(0);
	assert_int_equal(ack(0), 27);
	wr(GICR(0, SGI_FRAME + 0x380), 4, BIT(27)); /* clear-active in its handler: it fires again */
	settle();
	fake.cpu[0].r[R_ICH_AP1R0] = 0;
	assert_int_equal(ack(0), 27);
}

static void test_timer_beside_a_full_house(void **state)
{
	(void)state;
	many_active(false);
	wr(GICR(0, SGI_FRAME + 0x400 + 27), 1, 0x00);
	fire(100);
	assert_int_equal(ack(0), 27);
	fake.cpu[0].r[R_CNTV_CTL] = 0;
	eoi(0, 27);
	for (uint32_t i = 12; i-- > 0;)
		eoi(0, 40 + i);
	for (uint32_t i = 0; i < 12; i++)
		assert_false(active(40 + i));
	fire(100);
	assert_int_equal(ack(0), 27);
}

/* The same on other CPUs: with one list register, two, and 16, with 5 to 7 bits of preemption. */
static void test_other_numbers_of_list_registers(void **state)
{
	static const uint64_t vtrs[] = { 0x90b80000, 0x90b80001, 0xb4b80003, 0xd8b8000f };
	static void (*const bodies[])(void **) = {
		test_overflow_delivers_everything_in_order,
		test_overflow_does_not_storm,
		test_more_active_than_list_registers,
		test_deactivation_in_any_order,
		test_timer_beside_a_full_house,
		test_timer_again_and_again,
		test_priority_orders_and_preempts,
		test_sgi_decoding,
	};

	for (size_t i = 0; i < ARRAY_LEN(vtrs); i++) {
		for (size_t k = 0; k < ARRAY_LEN(bodies); k++) {
			fake_vtr = vtrs[i];
			setup(state);
			bodies[k](state);
		}
	}
	fake_vtr = 0x90b80003;
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_states_of_an_edge_interrupt),
		T(test_states_of_a_level_interrupt),
		T(test_pending_survives_disable),
		T(test_software_makes_and_clears_pending),
		T(test_priority_orders_and_preempts),
		T(test_overflow_delivers_everything_in_order),
		T(test_overflow_does_not_storm),
		T(test_more_active_than_list_registers),
		T(test_deactivation_in_any_order),
		T(test_dropped_but_active_is_not_taken_again),
		T(test_active_state_by_registers),
		T(test_routes_and_rerouting),
		T(test_remote_active_and_pending_can_be_cleared),
		T(test_sgi_decoding),
		T(test_sgi_of_the_other_group_is_dropped),
		T(test_groups_are_gated),
		T(test_timer_again_and_again),
		T(test_timer_is_a_level),
		T(test_timer_survives_disable_and_clear),
		T(test_timer_beside_a_full_house),
		T(test_other_numbers_of_list_registers),
	};

	return cmocka_run_group_tests_name("core_gic", tests, NULL, NULL);
}

/* The scheduler over simulated hours: one CPU, two personas of two vCPUs, the vault's background work. Time is the fake machine's counter;
 * what the core itself does takes none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

enum { FG = 800, BG = 200, SLICE_US = 5000 };

const struct mvp_core_config mvp_core_config = {
	.revision = MVP_CONFIG_REVISION,
	.personas = 2,
	.gicd_pa = 0x08000000,
	.gicr_pa = 0x080a0000,
	.gicr_size = 0x00f60000,
	.debug_uart_pa = 0x09000000,
	.cpus = 1,
	.slice_us = SLICE_US,
	.vault_pa = 0x50000000,
	.vault_size = 0x01000000,
	.persona = { { 0x60000000, 0x04000000, 2, FG, BG, 0, 0 }, { 0x70000000, 0x02000000, 2, FG, BG, 0, 0 } },
};

#define US (FAKE_HZ / 1000000ull)
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define SLICE (SLICE_US * US)
#define WORK_STEP (100 * US)

static struct {
	uint64_t used[VM_COUNT][2], last[VM_COUNT][2],
		gap[VM_COUNT][2]; /* by vCPU: time, when it ran last, the longest wait since begin() */
	uint64_t idle, working, begin;
	bool work; /* the vault has background work */
	uint32_t switches;
} sim;

static int setup(void **state)
{
	(void)state;
	drive_start();
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t k = 0; k < 2; k++) {
			assert_true(drive_until(&vms[i].vcpu[k]));
			drive_write(0, MVP_GUEST_GICD, 4, 2);
			uint64_t sgi = MVP_GUEST_GICR + k * MVP_GUEST_GICR_STRIDE + 0x10000;
			drive_write(0, sgi + 0x80, 4, ~0u);
			drive_write(0, sgi + 0x100, 4, 1u << MVP_GUEST_VTIMER_INTID);
			fake.cpu[0].r[R_ICH_VMCR] = 0xff4c0002;
		}
	}
	sim.work = false;
	return 0;
}

static void begin(void)
{
	bool work = sim.work;

	sim = (__typeof__(sim)){ .work = work, .begin = fake.time };
	for (uint32_t i = 0; i < VM_COUNT; i++)
		sim.last[i][0] = sim.last[i][1] = fake.time;
}

/* The guest runs for ticks. */
static void charge(uint64_t ticks)
{
	const struct vcpu *g = fake.cpu[0].guest;

	if (!g) {
		sim.idle += ticks;
		return;
	}
	uint64_t wait = fake.time - sim.last[g->vm->id][g->index];
	if (wait > sim.gap[g->vm->id][g->index])
		sim.gap[g->vm->id][g->index] = wait;
	sim.used[g->vm->id][g->index] += ticks;
	sim.last[g->vm->id][g->index] = fake.time + ticks;
}

static void vault_goes(void)
{
	struct vcpu *g = fake.cpu[0].guest;

	if (g->regs.x[0] == MVP_EV_WORK) {
		charge(WORK_STEP);
		sim.working += WORK_STEP;
		fake.time += WORK_STEP;
	}
	drive_hc(0, MVP_HC_WAIT, 0, sim.work, 0);
}

/* Whoever runs is busy. */
static void run(uint64_t ticks)
{
	uint64_t end = fake.time + ticks;

	while (fake.time < end) {
		const struct vcpu *before = fake.cpu[0].guest;

		fake_run_irqs(0);
		sim.switches += fake.cpu[0].guest != before;
		if (fake.cpu[0].guest && is_vault(fake.cpu[0].guest)) {
			vault_goes();
			continue;
		}
		uint64_t next = fake_next_timer(0);
		next = next < end ? next : end;
		if (next <= fake.time)
			next = fake.time + 1;
		charge(next - fake.time);
		fake.time = next;
	}
}

/* The guest sleeps for ticks by its timer. */
static void sleep_for(struct vcpu *v, uint64_t ticks)
{
	assert_ptr_equal(fake.cpu[0].guest, v);
	fake.cpu[0].r[R_CNTV_CVAL] = fake.time + ticks;
	fake.cpu[0].r[R_CNTV_CTL] = 1;
	drive_wfi(0);
	if (fake.cpu[0].guest == v)
		drive_wfi(0); /* a WFI may come back for nothing */
	assert_int_equal(v->state, VCPU_BLOCKED);
}

/* Takes its timer interrupt: the guest is awake. */
static void take_timer(struct vcpu *v)
{
	assert_ptr_equal(fake.cpu[0].guest, v);
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 1), MVP_GUEST_VTIMER_INTID);
	fake.cpu[0].r[R_CNTV_CTL] = 0;
	fake_guest_eoi(&fake.cpu[0], 1, MVP_GUEST_VTIMER_INTID);
	fake_run_irqs(0);
}

/* Runs until v does. */
static void run_until(struct vcpu *v)
{
	for (int n = 0; n < 100000 && fake.cpu[0].guest != v; n++)
		run(SLICE / 4);
	assert_ptr_equal(fake.cpu[0].guest, v);
}

static void put_to_sleep(struct vcpu *v, uint64_t ticks)
{
	run_until(v);
	sleep_for(v, ticks);
}

/* part of all is share of 1000, within 2 % of all. */
static void assert_share(uint64_t part, uint64_t all, uint64_t share)
{
	int64_t off = (int64_t)(part * 1000 / all) - (int64_t)share;

	if (llabs(off) > 20)
		fail_msg("share is %llu of 1000, should be %llu", (unsigned long long)(part * 1000 / all), (unsigned long long)share);
}

static uint64_t of(uint32_t persona)
{
	return sim.used[persona][0] + sim.used[persona][1];
}

/* The call of the vault, which comes to run by an access of whoever is the guest. */
static void foreground(uint32_t persona)
{
	while (!fake.cpu[0].guest || is_vault(fake.cpu[0].guest))
		run(SLICE / 4);
	(void)drive_read(0, MVP_GUEST_UART, 4);
	assert_int_equal(drive_hc(0, MVP_HC_FOREGROUND, persona, 0, 0), 0);
	drive_hc(0, MVP_HC_WAIT, 0, sim.work, 0);
}

static void test_weights_hold_over_a_long_time(void **state)
{
	(void)state;
	foreground(0);
	begin();
	run(100 * SECOND);
	assert_share(of(0), of(0) + of(1), 800);
	assert_share(sim.used[0][0], of(0), 500);
	assert_share(sim.used[1][0], of(1), 500);
	assert_int_equal(sim.idle, 0);
	assert_true(sim.switches <= 100 * SECOND / SLICE + 1); /* no more than slices there were */
}

static void test_foreground_switch_turns_the_shares(void **state)
{
	(void)state;
	foreground(0);
	run(10 * SECOND);
	foreground(1);
	begin();
	run(20 * SECOND);
	assert_share(of(1), of(0) + of(1), 800);
	foreground(0);
	begin();
	run(SECOND); /* at once, not after a debt is paid */
	assert_share(of(0), of(0) + of(1), 800);
}

static void test_nobody_waits_long(void **state)
{
	(void)state;
	foreground(0);
	run(SECOND);
	begin();
	run(20 * SECOND);
	/* Four entities with weights 4 4 1 1: each round of ten slices has each of them. */
	for (uint32_t k = 0; k < 2; k++) {
		assert_true(sim.gap[0][k] <= 4 * SLICE);
		assert_true(sim.gap[1][k] <= 12 * SLICE);
	}
}

static void test_a_sleeper_gains_no_more_than_a_slice(void **state)
{
	(void)state;
	foreground(0);
	run(SECOND);
	put_to_sleep(&vms[1].vcpu[0], 60 * SECOND);
	put_to_sleep(&vms[1].vcpu[1], 60 * SECOND);
	run(59 * SECOND);
	run_until(&vms[1].vcpu[0]);
	take_timer(&vms[1].vcpu[0]);
	begin();
	run(SECOND);
	/* A fifth of the time between three or four of them, and at most two slices each for what was slept through, by weight. */
	assert_true(of(1) <= SECOND / 5 + 4 * SLICE);
	assert_true(sim.gap[0][0] <= 6 * SLICE && sim.gap[0][1] <= 6 * SLICE);
}

static void test_nobody_starves_who_was_alone_for_long(void **state)
{
	(void)state;
	foreground(1);
	put_to_sleep(&vms[1].vcpu[0], 3600 * SECOND);
	put_to_sleep(&vms[1].vcpu[1], 3600 * SECOND);
	put_to_sleep(&vms[0].vcpu[1], 3600 * SECOND);
	run(3599 * SECOND); /* one background vCPU alone for an hour: its virtual time is far ahead */
	assert_int_equal(sim.idle, 0);
	run(2 * SECOND);
	begin();
	run(10 * SECOND);
	assert_true(sim.used[0][0] > 0);
	assert_true(sim.gap[0][0] <= 15 * SLICE);
	assert_share(of(1), of(0) + of(1), 800);
}

static void test_a_waking_foreground_runs_within_a_slice(void **state)
{
	(void)state;
	foreground(0);
	run(SECOND);
	put_to_sleep(&vms[0].vcpu[1], 3600 * SECOND);
	for (int i = 0; i < 50; i++) {
		put_to_sleep(&vms[0].vcpu[0], 7 * MS + (uint64_t)i * 37 * US);
		uint64_t due = vms[0].vcpu[0].cntv_cval;

		while (fake.cpu[0].guest != &vms[0].vcpu[0])
			run(50 * US);
		assert_true(fake.time <= due + SLICE + 50 * US);
		take_timer(&vms[0].vcpu[0]);
	}
}

/* Who sends an interrupt that he has to a sibling that sleeps on the same CPU was alone there: now he is not. */
static void test_a_rerouted_interrupt_wakes_a_sleeping_sibling(void **state)
{
	(void)state;
	enum { SPI = 8, INTID = 32 + SPI };
	struct vcpu *v = &vms[0].vcpu[0];

	put_to_sleep(&vms[1].vcpu[0], SECOND);
	put_to_sleep(&vms[1].vcpu[1], SECOND);
	put_to_sleep(&vms[0].vcpu[1], SECOND);
	run_until(v);
	drive_write(0, MVP_GUEST_GICD + 0x84, 4, 1u << SPI);
	drive_write(0, MVP_GUEST_GICD + 0x104, 4, 1u << SPI);
	(void)drive_read(0, MVP_GUEST_UART, 4);
	assert_int_equal(drive_hc(0, MVP_HC_IRQ_LINE, 0, SPI, 1), 0);
	drive_hc(0, MVP_HC_WAIT, 0, 0, 0);
	assert_ptr_equal(fake.cpu[0].guest, v);
	begin();
	drive_write(0, MVP_GUEST_GICD + 0x6000 + 8 * INTID, 8, 1);
	run(3 * SLICE);
	assert_true(sim.used[0][1] > 0);
}

static void test_a_sleeping_cpu_idles(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t k = 0; k < 2; k++)
			put_to_sleep(&vms[i].vcpu[k], 100 * SECOND);
	begin();
	uint64_t steps = fake.steps;
	run(50 * SECOND);
	assert_int_equal(sim.idle, 50 * SECOND);
	assert_true(fake.steps - steps < 100);
}

static void test_background_work_shares_the_cpu(void **state)
{
	(void)state;
	foreground(0);
	run(SECOND);
	sim.work = true;
	(void)drive_read(0, MVP_GUEST_UART, 4);
	drive_hc(0, MVP_HC_WAIT, 0, 1, 0);
	begin();
	run(20 * SECOND);
	assert_share(of(0), of(0) + of(1), 800);
	uint64_t all = of(0) + of(1) + sim.working;
	/* As much as a persona on the screen, one of whose vCPUs is one of three then: between a fifth and a half. */
	assert_true(sim.working * 5 >= all && sim.working * 2 <= all);
	for (uint32_t k = 0; k < 2; k++)
		assert_true(sim.gap[1][k] <= 20 * SLICE);
}

static void test_background_work_has_an_idle_cpu_for_itself(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t k = 0; k < 2; k++)
			put_to_sleep(&vms[i].vcpu[k], (i + k) ? 1000 * SECOND : 100 * SECOND);
	sim.work = true;
	run(99 * SECOND);
	begin();
	assert_true(drive_until(&vms[0].vcpu[0])); /* its sleep ends: the vault hears of work only when it runs */
	take_timer(&vms[0].vcpu[0]);
	(void)drive_read(0, MVP_GUEST_UART, 4);
	drive_hc(0, MVP_HC_WAIT, 0, 1, 0);
	put_to_sleep(&vms[0].vcpu[0], 100 * SECOND);
	begin();
	run(10 * SECOND);
	assert_share(sim.working, 10 * SECOND, 1000);
	run(85 * SECOND);
	begin();
	run(10 * SECOND); /* the sleeper wakes into busy work and has its share at once */
	assert_true(sim.used[0][0] > 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_weights_hold_over_a_long_time),
		T(test_foreground_switch_turns_the_shares),
		T(test_nobody_waits_long),
		T(test_a_sleeper_gains_no_more_than_a_slice),
		T(test_nobody_starves_who_was_alone_for_long),
		T(test_a_waking_foreground_runs_within_a_slice),
		T(test_a_rerouted_interrupt_wakes_a_sleeping_sibling),
		T(test_a_sleeping_cpu_idles),
		T(test_background_work_shares_the_cpu),
		T(test_background_work_has_an_idle_cpu_for_itself),
	};

	return cmocka_run_group_tests_name("core_sched", tests, NULL, NULL);
}

/* What becomes of a persona: attempts to unlock it, counted before they are made, and its end by itself. Jobs, disk and screens are stubs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/handset.c"
#include "../../vmm/vault/lib.c"

extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

enum { NOW = 1000000 };

static struct mvp_state vault_state, committed;
static uint32_t commits;
static unsigned tries, loads, halts, wipes;
static char said[2048];

uint64_t clock_now(void)
{
	return NOW + host_time / 1000000;
}

const struct mvp_state *state_get(void)
{
	return &vault_state;
}

struct mvp_state *state_edit(void)
{
	return &vault_state;
}

uint32_t state_commit(void)
{
	committed = vault_state;
	return ++commits;
}

void console_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	text_vformat(said + strlen(said), sizeof(said) - strlen(said) - 1, format, args);
	va_end(args);
	strcat(said, "\n");
}

void unlock_start(struct job *j, const struct passcodes *p, uint32_t ticket)
{
	(void)j;
	(void)p;
	assert_int_equal(ticket, commits);
	tries++;
}

void load_start(struct job *j)
{
	(void)j;
	loads++;
}

void halt_start(struct job *j)
{
	assert_ptr_equal(j, &personas[1].job);
	halts++;
}

void wipe_start(enum mvp_cause cause)
{
	assert_int_equal(cause, MVP_CAUSE_PASSCODES);
	wipes++;
}

bool identity_has_device_key(void)
{
	return true;
}

enum identity identity_get(void)
{
	return IDENTITY_SOUND;
}

bool lease_bars(void)
{
	return false;
}

bool orders_poll(bool work)
{
	return work;
}

bool front_switch(unsigned persona)
{
	(void)persona;
	return true;
}

unsigned front_persona(void)
{
	return 0;
}

/* What nothing here depends on. */
#define STUB(type, name, arguments, result) \
	type name arguments \
	{ \
		return result; \
	}
STUB(void, front_update, (void), )
STUB(void, front_start, (void), )
STUB(void, lease_changed, (void), )
STUB(void, lease_poll, (void), )
STUB(void, orders_start, (void), )
STUB(void, orders_end, (void), )
STUB(bool, orders_has_work, (void), false)
STUB(bool, slots_poll, (void), false)
STUB(bool, state_poll, (void), false)
STUB(bool, wipe_has_work, (void), false)
STUB(void, identity_start, (void), )
STUB(void, identity_end, (void), )
STUB(void, virtio_rng_irq, (void), )
STUB(const char *, disk_start, (void), "no disk")
STUB(uint64_t, disk_sectors, (void), 0)

void slots_good(unsigned persona)
{
	(void)persona;
}

void verify_good(struct job *j)
{
	(void)j;
}

bool wipe_step(bool work)
{
	(void)work;
	return false;
}

bool job_step(struct job *j, bool work)
{
	(void)j;
	(void)work;
	return false;
}

bool job_computes(const struct job *j)
{
	(void)j;
	return false;
}

void job_flush(struct job *j, const struct view *v)
{
	(void)j;
	(void)v;
}

void timer_at(uint64_t when)
{
	(void)when;
}

bool virtio_rng_start(uint32_t *ret_intid)
{
	(void)ret_intid;
	return false;
}

void disk_in_use(unsigned *ret_slots, unsigned *ret_pages)
{
	*ret_slots = *ret_pages = 0;
}

void open_start(struct job *j)
{
	(void)j;
}

/* The power is on: what was committed is there. */
static void boot(void)
{
	vault_state = committed;
	memset(personas, 0, sizeof(personas));
	memset(&power, 0, sizeof(power));
	memset(&disk_job, 0, sizeof(disk_job));
	for (unsigned p = 0; p < 2; p++) {
		personas[p].config = &host_config.persona[p];
		personas[p].job.persona = p;
	}
	personas[0].state = PERSONA_RUNNING;
	personas[1].state = PERSONA_LOCKED;
	said[0] = 0;
	handset_opened(true);
}

static int setup(void **state)
{
	(void)state;
	host_config = (struct mvp_vault_config){ .personas = 2 };
	host_config.persona[0] = (struct mvp_vault_persona){ .name = "personal" };
	host_config.persona[1] = (struct mvp_vault_persona){ .name = "work", .encrypted = 1, .managed = 1 };
	memset(&committed, 0, sizeof(committed));
	commits = 0;
	tries = loads = halts = wipes = 0;
	host_time = 1000000;
	boot();
	return 0;
}

static bool try_one(void)
{
	unsigned before = tries;
	handset_unlock(1, (const uint8_t *)"x", 1);
	return tries > before;
}

/* Wrong ones, each after its wait, of which the last answer is not waited for. */
static void fail_times(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		host_time += 400000000;
		assert_true(try_one());
		if (i + 1 < n)
			handset_unlock_result(1, false);
	}
}

static void test_wrong_ones_make_the_next_wait(void **state)
{
	(void)state;
	fail_times(FREE_TRIES + 1);
	handset_unlock_result(1, false);
	assert_int_equal(personas[1].failures, FREE_TRIES + 1);
	assert_false(try_one());
	host_time += 2000000;
	assert_true(try_one());
	handset_unlock_result(1, true);
	assert_int_equal(loads, 1);
	assert_int_equal(committed.persona[1].failures, 0);
	assert_int_equal(committed.persona[1].not_before, 0);
}

/* Who sees that it was wrong and cuts the power before that can be written has neither another attempt nor less to wait. */
static void test_a_power_cut_does_not_shorten_the_wait(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 12; n++) {
		setup(state);
		fail_times(n);
		struct mvp_state counted = committed; /* before the attempt was made */
		handset_unlock_result(1, false);
		uint64_t wait = personas[1].not_before > host_time ? (personas[1].not_before - host_time) / 1000000 : 0;
		committed = counted;
		boot();
		assert_int_equal(personas[1].failures, n);
		assert_int_equal(personas[1].not_before > host_time ? (personas[1].not_before - host_time) / 1000000 : 0, wait);
		assert_int_equal(wait > 0, n > FREE_TRIES);
	}
}

static void test_the_last_try_wipes(void **state)
{
	(void)state;
	host_config.persona[1].passcode_tries = 5;
	fail_times(5);
	assert_int_equal(wipes, 0);
	handset_unlock_result(1, false);
	assert_int_equal(wipes, 1);
	boot(); /* and if the power went before */
	assert_int_equal(wipes, 2);
}

/* Its key and its memory would otherwise stay as long as the other one runs. */
static void test_a_persona_that_is_off_leaves_nothing(void **state)
{
	(void)state;
	personas[1].state = PERSONA_RUNNING;
	assert_int_equal(handset_work_state(), MVP_WORK_OPEN);
	handset_persona_stopped(1, MVP_PERSONA_OFF);
	handset_poll(false);
	assert_int_equal(personas[1].state, PERSONA_OFF);
	assert_int_equal(halts, 1);
	assert_int_equal(loads, 0);
	assert_int_equal(handset_work_state(), MVP_WORK_LOCKED);
	assert_false(power.wanted); /* the other one runs */
}

static void test_a_persona_that_resets_is_loaded_anew(void **state)
{
	(void)state;
	personas[1].state = PERSONA_RUNNING;
	handset_persona_stopped(1, MVP_PERSONA_RESET);
	handset_poll(false);
	assert_int_equal(personas[1].state, PERSONA_LOADING);
	assert_int_equal(loads, 1);
	assert_int_equal(halts, 0);
	/* What the core says late of one that does not run is about an earlier life. */
	handset_persona_stopped(1, MVP_PERSONA_OFF);
	handset_poll(false);
	assert_int_equal(personas[1].state, PERSONA_LOADING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_wrong_ones_make_the_next_wait, setup),
		cmocka_unit_test_setup(test_a_power_cut_does_not_shorten_the_wait, setup),
		cmocka_unit_test_setup(test_the_last_try_wipes, setup),
		cmocka_unit_test_setup(test_a_persona_that_is_off_leaves_nothing, setup),
		cmocka_unit_test_setup(test_a_persona_that_resets_is_loaded_anew, setup),
	};
	return cmocka_run_group_tests_name("vault_handset", tests, NULL, NULL);
}

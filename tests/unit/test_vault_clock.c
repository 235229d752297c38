/* A persona's clock: its registers and its alarm. */
#include "tests/unit/vault_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mvp/machine.h"
#include "vmm/vault/devices/vpl031.c"
#include "vmm/vault/drivers/pl031.h"
#include "vmm/vault/timer.c"

static uint32_t seconds; /* the board's clock */

uint32_t pl031_seconds(void)
{
	return seconds;
}

static uint32_t get(unsigned persona, uint32_t at)
{
	return (uint32_t)vpl031_read(persona, at, 4);
}

static void set(unsigned persona, uint32_t at, uint32_t value)
{
	vpl031_write(persona, at, 4, value);
}

/* Lets time pass as the vault does: from timer to timer. The board's seconds begin at a third of the counter's. */
static void pass(uint64_t us)
{
	uint64_t end = host_time + us;
	while (host_timer && host_timer <= end) {
		host_time = host_timer > host_time ? host_timer : host_time;
		host_timer = 0;
		seconds = 1000 + (uint32_t)((host_time + 333333) / 1000000);
		timer_fired();
		vpl031_tick();
	}
	host_time = end;
	seconds = 1000 + (uint32_t)((host_time + 333333) / 1000000);
}

static int setup(void **state)
{
	(void)state;
	vpl031_reset(0);
	vpl031_reset(1);
	pass(5000000);
	return 0;
}

static void test_alarm_comes_in_its_second(void **state)
{
	(void)state;
	for (uint32_t ahead = 1; ahead < 100; ahead += 7) {
		uint32_t at = seconds + ahead;
		set(1, REG_IMSC, 1);
		set(1, REG_MR, at);
		assert_int_equal(get(1, REG_MR), at);
		unsigned timers = host_timers;
		while (seconds < at) {
			assert_int_equal(get(1, REG_RIS), 0);
			assert_int_equal(host_lines[1][MVP_GUEST_RTC_SPI], 0);
			pass(10000);
		}
		pass(1000 * LOOK_MS);
		assert_int_equal(get(1, REG_RIS), 1);
		assert_int_equal(get(1, REG_MIS), 1);
		assert_int_equal(host_lines[1][MVP_GUEST_RTC_SPI], 1);
		assert_int_equal(host_lines[0][MVP_GUEST_RTC_SPI], 0);
		assert_true(host_timers - timers < 2 * 1000 / LOOK_MS + 2); /* it does not look all the time */
		set(1, REG_ICR, 1);
		assert_int_equal(get(1, REG_RIS), 0);
		assert_int_equal(host_lines[1][MVP_GUEST_RTC_SPI], 0);
		pass(3000000);
		assert_int_equal(get(1, REG_RIS), 0);
	}
}

static void test_mask_holds_the_line_back(void **state)
{
	(void)state;
	set(0, REG_MR, seconds);
	assert_int_equal(get(0, REG_RIS), 1);
	assert_int_equal(get(0, REG_MIS), 0);
	assert_int_equal(host_lines[0][MVP_GUEST_RTC_SPI], 0);
	set(0, REG_IMSC, 3);
	assert_int_equal(get(0, REG_IMSC), 1);
	assert_int_equal(get(0, REG_MIS), 1);
	assert_int_equal(host_lines[0][MVP_GUEST_RTC_SPI], 1);
	set(0, REG_IMSC, 0);
	assert_int_equal(host_lines[0][MVP_GUEST_RTC_SPI], 0);
	assert_int_equal(get(0, REG_RIS), 1);
}

static void test_alarm_ends_with_the_persona(void **state)
{
	(void)state;
	set(0, REG_IMSC, 1);
	set(0, REG_MR, seconds + 2);
	set(1, REG_IMSC, 1);
	set(1, REG_MR, seconds);
	assert_int_equal(host_lines[1][MVP_GUEST_RTC_SPI], 1);
	vpl031_reset(0);
	vpl031_reset(1);
	assert_int_equal(host_lines[1][MVP_GUEST_RTC_SPI], 0);
	pass(4000000);
	assert_int_equal(get(0, REG_RIS), 0);
}

static void test_time_cannot_be_set(void **state)
{
	(void)state;
	set(0, REG_LR, 5);
	set(0, REG_DR, 5);
	set(0, REG_CR, 0);
	set(0, REG_RIS, 1);
	assert_int_equal(get(0, REG_DR), seconds);
	assert_int_equal(get(0, REG_CR), 1);
	assert_int_equal(get(0, REG_RIS), 0);
	assert_int_equal(get(0, ID_AT), 0x31);
	assert_int_equal(get(0, ID_AT + 8), 0x14);
	assert_int_equal(vpl031_read(0, REG_DR, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_alarm_comes_in_its_second, setup),
		cmocka_unit_test_setup(test_mask_holds_the_line_back, setup),
		cmocka_unit_test_setup(test_alarm_ends_with_the_persona, setup),
		cmocka_unit_test_setup(test_time_cannot_be_set, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

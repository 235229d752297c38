/* Keys and touches from the board's devices to the personas' drivers: who gets them, who does not, and that everything pressed is released.
 */
#include "fixture_hand.h"

/* Keys */

static void test_keys_reach_the_front_as_whole_reports(void **state)
{
	(void)state;
	assert_int_equal(fakes[KEYBOARD].acks, 1); /* looked at once at the start */
	key_event(A, true);
	key_event(S, true);
	input_irq(INTID + KEYBOARD);
	assert_int_equal(fakes[KEYBOARD].acks, 2);
	assert_string_equal(heard(0, KEYS), "");
	report(KEYBOARD);
	assert_int_equal(host_lines[0][MVP_GUEST_VIRTIO_SPI + MVP_SLOT_KEYS], 1);
	assert_string_equal(heard(0, KEYS), "30+ 31+ .");
	guest_write(0, KEYS, 0x64, 1);
	assert_int_equal(host_lines[0][MVP_GUEST_VIRTIO_SPI + MVP_SLOT_KEYS], 0);
	emit(KEYBOARD, EV_KEY, A, 2); /* a repeat: the persona repeats by itself or not */
	key(A, true);                 /* again, without a release */
	assert_string_equal(heard(0, KEYS), "");
	key_event(A, false);
	key_event(A, true);
	key(A, false);
	assert_string_equal(heard(0, KEYS), "30- . 30+ . 30- .");
	key(S, false);
	assert_string_equal(heard(0, KEYS), "31- .");
	/* Not keys of its keyboard, or not events it is to see. */
	key(240 + 9, true);
	key(0x110, true);
	key(0x2ff, true);
	key(0x300, true);
	key(0xffff, true);
	key(0, true);
	emit(KEYBOARD, EV_ABS, 0, 5);
	emit(KEYBOARD, 4, 4, 458756);
	report(KEYBOARD);
	assert_silence(0);
	assert_silence(1);
	assert_string_equal(typed, "");
}

static void test_two_keyboards_hold_a_key_together(void **state)
{
	(void)state;
	key(A, true);
	emit(TABLET, EV_KEY, A, 1);
	report(TABLET);
	key(A, false);
	assert_string_equal(heard(0, KEYS), "30+ .");
	emit(TABLET, EV_KEY, A, 0);
	report(TABLET);
	assert_string_equal(heard(0, KEYS), "30- .");
}

static void test_a_change_of_focus_releases_keys(void **state)
{
	(void)state;
	key(A, true);
	key(S, true);
	key_event(F12, true); /* not reported yet */
	host_time += 1000;
	input_irq(INTID + KEYBOARD);
	assert_string_equal(heard(0, KEYS), "30+ . 31+ .");
	input_focus(1);
	assert_string_equal(heard(0, KEYS), "30- 31- .");
	/* Held on, they are nobody's. */
	key(A, false);
	key(TAB, true);
	key(S, false);
	key(F12, false);
	key(A, true);
	assert_string_equal(heard(1, KEYS), "15+ . 30+ .");
	input_focus(1);
	assert_string_equal(heard(1, KEYS), "");
	input_focus(INPUT_VAULT);
	assert_string_equal(heard(1, KEYS), "15- 30- .");
	input_focus(7);
	input_focus(0);
	key(A, false);
	assert_silence(0);
	assert_silence(1);
	assert_string_equal(typed, "");
	for (unsigned i = 0; i < ARRAY_LEN(routed.words); i++)
		assert_int_equal(routed.words[i], 0);
	key(A, true);
	key(S, true);
	assert_string_equal(heard(0, KEYS), "30+ . 31+ .");
}

static void type_keys(const char *script)
{
	for (const char *p = script; *p;) {
		char *end;
		unsigned code = (unsigned)strtoul(p, &end, 10);
		key(code, *end == '+');
		p = end + 1 + (end[1] == ' ');
	}
}

static void test_the_vault_reads_characters(void **state)
{
	(void)state;
	static const struct {
		const char *script, *text;
	} rows[] = {
		{ "30+ 30- 3+ 3- 57+ 57- 28+ 28-", "a2 \r" },
		{ "42+ 30+ 30- 3+ 3- 12+ 12- 42- 12+ 12-", "A@_-" },
		{ "54+ 16+ 16- 54- 26+ 26- 43+ 43- 53+ 53-", "Q[\\/" },
		{ "58+ 58- 30+ 30- 2+ 2- 42+ 30+ 30- 2+ 2- 42- 58+ 58- 30+ 30-", "A1a!a" },
		{ "14+ 14- 96+ 96- 71+ 71- 82+ 82- 55+ 55- 98+ 98-", "\b\r70*/" },
		{ "29+ 22+ 22- 30+ 30- 29- 97+ 22+ 22- 97- 22+ 22-", "\x15\x15u" },
		{ "56+ 30+ 30- 56- 100+ 30+ 30- 100-", "" },
		{ "1+ 1- 59+ 59- 103+ 103- 116+ 116- 200+ 200-", "" },
		{ "15+ 15-", "\t" }, /* begins a change of the passcode */
		{ "27+ 27- 39+ 39- 40+ 40- 41+ 41- 44+ 44- 51+ 51- 52+ 52-", "];'`z,." },
	};
	input_focus(INPUT_VAULT);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		memset(typed, 0, sizeof(typed));
		type_keys(rows[i].script);
		assert_string_equal(typed, rows[i].text);
	}
	assert_silence(0);
	assert_silence(1);
	/* What was pressed for a persona means nothing here, nor caps lock of the last time. */
	memset(typed, 0, sizeof(typed));
	type_keys("58+ 58-");
	input_focus(0);
	type_keys("42+");
	input_focus(INPUT_VAULT);
	type_keys("30+ 30- 42- 42+ 30+ 30-");
	assert_string_equal(typed, "aA");
}

/* The chord */

static void test_the_chord_switches_in_any_order(void **state)
{
	static const unsigned keys[3] = { CTRL, SHIFT, TAB };
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	for (unsigned n = 0; n < 6; n++) {
		const uint8_t *o = orders[n];
		char expected[64];
		setup(state);
		host_config.switch_chord[0] = CTRL;
		host_config.switch_chord[2] = SHIFT;
		host_config.switch_chord[3] = TAB;
		key(A, true);
		key(keys[o[0]], true);
		key(keys[o[1]], true);
		snprintf(expected, sizeof(expected), "30+ . %u+ . %u+ .", keys[o[0]], keys[o[1]]);
		assert_string_equal(heard(0, KEYS), expected);
		assert_int_equal(switches, 0);
		key(keys[o[2]], true);
		assert_int_equal(switches, 1);
		/* In order of codes, and the last key was never there. */
		unsigned low = keys[o[0]], high = keys[o[1]];
		if (low > high) {
			low = high;
			high = keys[o[0]];
		}
		snprintf(expected, sizeof(expected), low > A ? "30- %u- %u- ." : high > A ? "%u- 30- %u- ." : "%u- %u- 30- .", low, high);
		assert_string_equal(heard(0, KEYS), expected);
		for (unsigned i = 0; i < 3; i++)
			key(keys[i], false);
		key(A, false);
		assert_silence(0);
		assert_silence(1);
	}
}

static void test_the_chord_again_while_a_key_is_held(void **state)
{
	(void)state;
	host_config.switch_chord[0] = CTRL;
	host_config.switch_chord[1] = TAB;
	key(CTRL, true);
	host_time += 100000;
	key(TAB, true);
	key(TAB, false);
	assert_int_equal(switches, 1);
	switch_to = 0;
	key(TAB, true); /* faster than a hand: swallowed */
	key(TAB, false);
	assert_int_equal(switches, 1);
	host_time += 100000;
	key(TAB, true);
	assert_int_equal(switches, 2);
	key(CTRL, false);
	key(TAB, false);
	assert_string_equal(heard(0, KEYS), "29+ . 29- .");
	assert_silence(1);
	/* A part of it is an ordinary key. */
	key(TAB, true);
	key(TAB, false);
	assert_string_equal(heard(0, KEYS), "15+ . 15- .");
}

static void test_a_chord_in_one_report_leaves_no_trace(void **state)
{
	(void)state;
	host_config.switch_chord[0] = CTRL;
	host_config.switch_chord[1] = TAB;
	switch_to = 0; /* nothing to switch to */
	key_event(CTRL, true);
	key(TAB, true);
	assert_int_equal(switches, 1);
	key_event(TAB, false);
	key(CTRL, false);
	assert_silence(0);
	/* One key alone may be the chord, pressed in the vault, too. */
	host_config.switch_chord[0] = F12;
	host_config.switch_chord[1] = 0;
	host_time += 100000;
	input_focus(INPUT_VAULT);
	key(F12, true);
	assert_int_equal(switches, 2);
	key(F12, false);
	assert_silence(0);
	/* No chord at all. */
	host_config.switch_chord[0] = 0;
	host_time += 100000;
	type_keys("29+ 15+ 88+");
	assert_int_equal(switches, 2);
}

/* Touches */

static void test_a_tablet_is_a_finger(void **state)
{
	(void)state;
	tablet(100, 20000);
	report(TABLET);
	assert_silence(0); /* it hovers */
	button(true);
	report(TABLET);
	/* 100 * 720 / 32768 = 2.2; 20000 * 1320 / 32768 = 805.7, of which 40 are the bar */
	assert_string_equal(heard(0, TOUCH), "s0 i1 X2 Y765 T+ x2 y765 .");
	tablet(200, 20000);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 X4 x4 .");
	tablet(201, 20001); /* the same pixel */
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "");
	button(false);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i-1 T- .");
	/* Down and up at once is still a tap, at the new place. */
	tablet(TABLET_MAX, TABLET_MAX);
	button(true);
	button(false);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i2 X719 Y1279 T+ x719 y1279 . s0 i-1 T- .");
	emit(TABLET, EV_KEY, 0x111, 1); /* its other buttons are nothing */
	emit(TABLET, EV_KEY, 0x110, 2);
	report(TABLET);
	assert_silence(0);
	assert_silence(1);
}

static void test_the_bar_is_the_vaults(void **state)
{
	(void)state;
	/* The bar's last line is 39: up to 39.99 * 32768 / 1320 = 992.9. */
	tablet(16384, 992);
	button(true);
	report(TABLET);
	tablet(16384, 20000);
	report(TABLET);
	button(false);
	report(TABLET);
	assert_silence(0);
	tablet(16384, 993);
	button(true);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i1 X360 Y0 T+ x360 y0 .");
	tablet(16384, 2000); /* 80.5 */
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 Y40 y40 .");
	tablet(TABLET_MAX + 5, (uint32_t)-3);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 X719 Y0 x719 y0 .");
	button(false);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i-1 T- .");
	assert_silence(1);
}

static void test_a_change_of_focus_lifts_the_finger(void **state)
{
	(void)state;
	tablet(0, TABLET_MAX);
	button(true);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i1 X0 Y1279 T+ x0 y1279 .");
	input_focus(1);
	assert_string_equal(heard(0, TOUCH), "s0 i-1 T- .");
	tablet(1000, TABLET_MAX);
	report(TABLET);
	input_focus(0);
	tablet(0, 30000);
	report(TABLET);
	button(false);
	report(TABLET);
	assert_silence(0);
	assert_silence(1);
	input_focus(INPUT_VAULT);
	button(true);
	report(TABLET);
	assert_silence(0);
	input_focus(1);
	tablet(3000, 30000);
	report(TABLET);
	assert_silence(1);
	button(false);
	report(TABLET);
	button(true);
	report(TABLET);
	assert_string_equal(heard(1, TOUCH), "s0 i1 X65 Y1168 T+ x65 y1168 .");
	assert_silence(0);
}

static void test_many_fingers_pass_through(void **state)
{
	(void)state;
	/* 4096 to 720 and 1320 pixels: 1000 is 175.8 and 322.3 - 40 */
	finger(3, 77, 1000, 1000);
	finger(5, 78, 2000, 2000);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s3 i1 X175 Y282 s5 i2 X351 Y604 T+ x175 y282 .");
	emit(MULTI, EV_ABS, 0x2f, 5);
	emit(MULTI, EV_ABS, 0x35, 2100);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s5 X369 .");
	/* The pointer goes to the older one of those that are left. */
	finger(3, -1, 0, 0);
	finger(0, 79, 0, 4095);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s0 i3 X0 Y1279 s3 i-1 x369 y604 .");
	/* Another finger in the place of one: two reports. Unchanged coordinates are not said again, and still meant. */
	emit(MULTI, EV_ABS, 0x2f, 5);
	emit(MULTI, EV_ABS, 0x39, 80);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s5 i-1 x0 y1279 . s5 i4 X369 Y604 .");
	/* More than ten slots, and the end of all. */
	finger(10, 81, 5, 5);
	finger(0xffffffff, 82, 5, 5);
	emit(MULTI, EV_ABS, 0, 3000); /* its pointer is not ours */
	emit(MULTI, EV_KEY, 0x14a, 0);
	report(MULTI);
	assert_silence(0);
	finger(0, -1, 0, 0);
	finger(5, -1, 0, 0);
	report(MULTI);
	assert_string_equal(heard(0, TOUCH), "s0 i-1 s5 i-1 T- .");
}

static void test_two_screens_share_the_slots(void **state)
{
	(void)state;
	finger(0, 1, 1000, 1000);
	report(MULTI);
	tablet(TABLET_MAX, TABLET_MAX);
	button(true);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i1 X175 Y282 T+ x175 y282 . s1 i2 X719 Y1279 .");
	finger(0, -1, 0, 0);
	report(MULTI);
	button(false);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i-1 x719 y1279 . s1 i-1 T- .");
	for (unsigned i = 0; i < 10; i++)
		finger(i, (int)i, 4000, 4000);
	report(MULTI);
	assert_non_null(strstr(heard(0, TOUCH), "s9 i12"));
	button(true);
	report(TABLET);
	button(false);
	report(TABLET);
	assert_silence(0);
}

/* The board's devices */

static unsigned fake_odd(unsigned select, unsigned subsel, uint8_t *data)
{
	static const uint16_t abs[] = { 0, 1, 0x2f, 0x35, 0x36, 0x39 }, keys[] = { 0x14a, 30 };
	if (select == 1) {
		memset(data, 0x1b, 255);
		return 255;
	}
	if (select == 0x12) /* a range for the pointer, none for contacts */
		return subsel <= 1 ? fake_axis(data, -100, 100) : subsel == 0x35 ? fake_axis(data, 5, 5) : fake_axis(data, 5, -5);
	if (select == 0x11)
		return subsel == 1 ? fake_bits(data, keys, 2) : subsel == 3 ? fake_bits(data, abs, ARRAY_LEN(abs)) : 0;
	return 0;
}

static unsigned fake_nothing(unsigned select, unsigned subsel, uint8_t *data)
{
	memset(data, 0xff, 255);
	if (select == 0x11)
		return subsel == 1 ? 64 : 3; /* every key and button, pointer but no contacts */
	fake_axis(data, 0, 1000);
	return 7; /* too short for an axis */
}

static unsigned fake_stick(unsigned select, unsigned subsel, uint8_t *data)
{
	return select == 0x11 && subsel == 1 ? 0 : fake_tablet(select, subsel, data);
}

static void test_devices_are_known_by_what_they_say(void **state)
{
	static const fake_config configs[] = { fake_keyboard, fake_tablet, fake_multi, fake_odd, fake_nothing, fake_stick };
	setup(state);
	memset(logged, 0, sizeof(logged));
	input_setup(6, configs);
	assert_string_equal(logged, "input: Board keyboard, keys\ninput: Board tablet, touch\ninput: Board screen, multi-touch\n"
				    "input: ???????????????????????????????, keys, touch\ninput: , keys\ninput: Board tablet\n");
	for (unsigned i = 0; i < 6; i++)
		assert_true(host_irqs[INTID + i]);
	assert_false(input_irq(INTID + 6));
	emit(3, EV_ABS, 0, (uint32_t)-100);
	emit(3, EV_ABS, 1, 100);
	emit(3, EV_ABS, 0x35, 50);
	emit(3, EV_KEY, 0x14a, 1);
	report(3);
	/* 200 * 1320 / 201 = 1313.4 */
	assert_string_equal(heard(0, TOUCH), "s0 i1 X0 Y1273 T+ x0 y1273 .");
	emit(4, EV_KEY, 0x110, 1);
	emit(4, EV_ABS, 0, 1);
	report(4);
	emit(5, EV_KEY, 0x110, 1);
	emit(5, EV_ABS, 1, 20000);
	report(5);
	assert_silence(0);
	/* A board without a display has none. */
	host_config.display = MVP_DISPLAY_NONE;
	sources_count = 0;
	input_start();
	assert_int_equal(sources_count, 0);
}

static void test_what_a_broken_device_returns_means_nothing(void **state)
{
	(void)state;
	uint16_t head = fakes[KEYBOARD].offered[0];
	struct evdev_event *at = (struct evdev_event *)(uintptr_t)devices[KEYBOARD].queue.desc[head].at;
	/* A buffer that has nothing in it. */
	*at = (struct evdev_event){ EV_KEY, S, 1 };
	fake_return(KEYBOARD, head, 7);
	report(KEYBOARD);
	assert_string_equal(heard(0, KEYS), "");
	/* Buffers that it does not have, or has not any more. */
	fake_return(KEYBOARD, 64, 8);
	fake_return(KEYBOARD, UINT32_MAX, 8);
	devices[KEYBOARD].offered &= ~(1ull << head);
	*at = (struct evdev_event){ EV_KEY, S, 1 };
	fake_return(KEYBOARD, head, 8);
	report(KEYBOARD);
	assert_string_equal(heard(0, KEYS), "");
	key(A, true);
	assert_string_equal(heard(0, KEYS), "30+ .");
}

static void test_a_flood_waits_for_its_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		fake_return(KEYBOARD, UINT32_MAX, 8);
	host_time += 5000;
	input_irq(INTID + KEYBOARD);
	assert_int_equal(fakes[KEYBOARD].used_from, 64);
	assert_false(host_irqs[INTID + KEYBOARD]);
	assert_true(host_irqs[INTID + TABLET]);
	assert_int_equal(host_timer, host_time + 1000);
	input_irq(INTID + KEYBOARD);
	input_tick(host_time);
	assert_int_equal(fakes[KEYBOARD].used_from, 64);
	/* Others are not held up. */
	tablet(0, TABLET_MAX);
	button(true);
	report(TABLET);
	assert_string_equal(heard(0, TOUCH), "s0 i1 X0 Y1279 T+ x0 y1279 .");
	assert_int_equal(fakes[KEYBOARD].used_from, 64);
	for (unsigned seen = 128; seen <= 192; seen += 64) {
		host_time += 1000;
		timer_fired();
		input_tick(host_time);
		assert_int_equal(fakes[KEYBOARD].used_from, seen);
		assert_false(host_irqs[INTID + KEYBOARD]);
	}
	host_time += 1000;
	timer_fired();
	input_tick(host_time);
	assert_int_equal(fakes[KEYBOARD].used_from, 200);
	assert_true(host_irqs[INTID + KEYBOARD]);
	key(A, true);
	assert_string_equal(heard(0, KEYS), "30+ .");
	/* Interrupts with nothing behind them count, too. */
	unsigned acks = fakes[TABLET].acks;
	for (unsigned i = 0; i < 100; i++)
		input_irq(INTID + TABLET);
	assert_true(fakes[TABLET].acks - acks <= 64);
	assert_false(host_irqs[INTID + TABLET]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_keys_reach_the_front_as_whole_reports, setup),
		cmocka_unit_test_setup(test_two_keyboards_hold_a_key_together, setup),
		cmocka_unit_test_setup(test_a_change_of_focus_releases_keys, setup),
		cmocka_unit_test_setup(test_the_vault_reads_characters, setup),
		cmocka_unit_test_setup(test_the_chord_switches_in_any_order, setup),
		cmocka_unit_test_setup(test_the_chord_again_while_a_key_is_held, setup),
		cmocka_unit_test_setup(test_a_chord_in_one_report_leaves_no_trace, setup),
		cmocka_unit_test_setup(test_a_tablet_is_a_finger, setup),
		cmocka_unit_test_setup(test_the_bar_is_the_vaults, setup),
		cmocka_unit_test_setup(test_a_change_of_focus_lifts_the_finger, setup),
		cmocka_unit_test_setup(test_many_fingers_pass_through, setup),
		cmocka_unit_test_setup(test_two_screens_share_the_slots, setup),
		cmocka_unit_test_setup(test_devices_are_known_by_what_they_say, setup),
		cmocka_unit_test_setup(test_what_a_broken_device_returns_means_nothing, setup),
		cmocka_unit_test_setup(test_a_flood_waits_for_its_turn, setup),
	};
	return cmocka_run_group_tests_name("vault input", tests, NULL, NULL);
}

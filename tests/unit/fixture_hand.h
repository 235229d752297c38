/* Steps of a story for the tests of input: what a hand does, and what the personas have heard. */
#ifndef TESTS_UNIT_FIXTURE_HAND_H
#define TESTS_UNIT_FIXTURE_HAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fixture_input.h"

enum { KEYBOARD, TABLET, MULTI }; /* devices of the board */
enum { KEYS, TOUCH };             /* and of a persona */
enum { A = 30, S = 31, CTRL = 29, SHIFT = 42, TAB = 15, F12 = 88 };

static char typed[256], logged[1024];
static unsigned switches;
static int switch_to;

void lock_char(uint8_t c)
{
	size_t n = strlen(typed);
	assert_true(n + 1 < sizeof(typed));
	typed[n] = (char)c;
}

void console_log(const char *format, ...)
{
	va_list args;
	size_t n = strlen(logged);
	va_start(args, format);
	n += text_vformat(logged + n, sizeof(logged) - n - 1, format, args);
	va_end(args);
	logged[n] = '\n';
	logged[n + 1] = 0;
}

void handset_switch(void)
{
	switches++;
	input_focus(switch_to);
}

static inline int setup(void **state)
{
	static const fake_config all[] = { fake_keyboard, fake_tablet, fake_multi };
	(void)state;
	memset(typed, 0, sizeof(typed));
	memset(logged, 0, sizeof(logged));
	switches = 0;
	switch_to = 1;
	host_time = 1000000;
	input_setup(3, all);
	return 0;
}

static inline void report(unsigned device)
{
	assert_true(emit(device, EV_SYN, 0, 0));
	host_time += 1000; /* a new burst: devices are not in a hurry here */
	input_irq(INTID + device);
}

static inline void key_event(unsigned code, bool down)
{
	assert_true(emit(KEYBOARD, EV_KEY, (uint16_t)code, down));
}

static inline void key(unsigned code, bool down)
{
	key_event(code, down);
	report(KEYBOARD);
}

static inline void tablet(uint32_t x, uint32_t y)
{
	emit(TABLET, EV_ABS, 0, x);
	emit(TABLET, EV_ABS, 1, y);
}

static inline void button(bool down)
{
	emit(TABLET, EV_KEY, 0x110, down);
}

static inline void finger(uint32_t slot, int id, uint32_t x, uint32_t y)
{
	emit(MULTI, EV_ABS, 0x2f, slot);
	emit(MULTI, EV_ABS, 0x39, (uint32_t)id);
	if (id < 0)
		return;
	emit(MULTI, EV_ABS, 0x35, x);
	emit(MULTI, EV_ABS, 0x36, y);
}

/* What a device of the persona has said since the last time: `30+` a key, `.` the end of a report, `s` slot, `i` tracking id, `T`
 * BTN_TOUCH, `X` `Y` of a contact, `x` `y` of the pointer. */
static inline const char *heard_but_keep(unsigned persona, unsigned device, unsigned *ret_count)
{
	static char text[4096];
	static const struct {
		uint16_t code;
		char letter;
	} names[] = { { 0, 'x' }, { 1, 'y' }, { 0x2f, 's' }, { 0x35, 'X' }, { 0x36, 'Y' }, { 0x39, 'i' } };
	struct evdev_event e;
	size_t n = 0;
	text[0] = 0;
	*ret_count = 0;
	while (guest_take(persona, device, &e)) {
		char letter = 0;
		++*ret_count;
		for (unsigned i = 0; i < ARRAY_LEN(names); i++)
			letter = names[i].code == e.code ? names[i].letter : letter;
		if (e.type == EV_SYN)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ". ");
		else if (e.type == EV_KEY && e.code == 0x14a)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "T%c ", e.value ? '+' : '-');
		else if (e.type == EV_KEY)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%u%c ", e.code, e.value ? '+' : '-');
		else
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%c%d ", letter ? letter : '?', (int32_t)e.value);
		assert_true(n < sizeof(text));
	}
	if (n)
		text[n - 1] = 0;
	return text;
}

static inline const char *heard(unsigned persona, unsigned device)
{
	unsigned count;
	const char *text = heard_but_keep(persona, device, &count);
	guest_offer(persona, device, count);
	return text;
}

static inline void assert_silence(unsigned persona)
{
	assert_string_equal(heard(persona, KEYS), "");
	assert_string_equal(heard(persona, TOUCH), "");
}

#endif

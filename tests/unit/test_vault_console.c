/* The console's two modes and the personas' UARTs and clocks behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vault_host.h"

#include "tests/unit/fixture_orders.h"

/* The configuration is chosen by each test: what the vault sees as constant is another name of this, of which the
 * compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#define put console_put_char /* lib.c has a put() of its own */
#include "../../vmm/vault/console.c"
#undef put
#include "../../vmm/vault/devices/vpl011.c"
#include "../../vmm/vault/lib.c"
#include "../../vmm/vault/timer.c"

/* A persona's virtio console: takes input when it is in use. */
static bool vconsole_used;
static char vconsole_got[64];

bool vconsole_has_input(unsigned persona)
{
	return persona == 1 && vconsole_used;
}

bool vconsole_receive(unsigned persona, const uint8_t *data, size_t len)
{
	assert_int_equal(persona, 1);
	strncat(vconsole_got, (const char *)data, len);
	return true;
}

void vconsole_room(unsigned persona)
{
	(void)persona;
}

void handset_disk_status(void)
{
}

void net_status(void)
{
	console_log("network");
}

/* The board's UART */
static char wire[0x40000];
static size_t wire_len, wire_room;
static const char *typed;
static bool tx_interrupt, rx_interrupt;

void pl011_start(uintptr_t base)
{
	(void)base;
}

bool pl011_put(uint8_t c)
{
	if (!wire_room || wire_len + 1 == sizeof(wire))
		return false;
	wire_room--;
	wire[wire_len++] = (char)c;
	wire[wire_len] = 0;
	return true;
}

int pl011_get(void)
{
	return typed && *typed ? (uint8_t)*typed++ : -1;
}

void pl011_tx_interrupt(bool on)
{
	tx_interrupt = on;
}

void pl011_rx_interrupt(bool on)
{
	rx_interrupt = on;
}

void pl011_ack(void)
{
}

/* The handset */
static char asked[64];
static unsigned switches;
static bool locked;

static void note(const char *what)
{
	text_format(asked, sizeof(asked), "%s", what);
}

void handset_switch(void)
{
	switches++;
	console_show(1 - console_front());
	console_ask_passcode(locked && console_front() == 1);
}

void handset_status(void)
{
	note("status");
}

void handset_power_off(void)
{
	note("poweroff");
}

void handset_reset(void)
{
	note("reset");
}

void handset_unlock(unsigned persona, const uint8_t *passcode, size_t len)
{
	char text[40] = { 0 };
	memcpy(text, passcode, len < sizeof(text) ? len : sizeof(text) - 1);
	text_format(asked, sizeof(asked), "unlock %u %s", persona, text);
}

void handset_unlock_any(const uint8_t *passcode, size_t len)
{
	handset_unlock(9, passcode, len);
}

static void start(enum mvp_console mode)
{
	memset(&out, 0, sizeof(out));
	memset(&in, 0, sizeof(in));
	memset(uarts, 0, sizeof(uarts));
	memset(armed, 0, sizeof(armed));
	host_config = (struct mvp_vault_config){ .personas = 2, .console = (uint32_t)mode, .console_key = 0x1d, .uart_intid = 33 };
	memcpy(host_config.persona[0].name, "personal", 9);
	memcpy(host_config.persona[1].name, "work", 5);
	host_config.persona[1].color = 0x0a0b0c;
	wire_len = 0;
	wire[0] = 0;
	wire_room = SIZE_MAX;
	typed = NULL;
	asked[0] = 0;
	switches = 0;
	locked = false;
	host_time = 1000;
	host_doorbells = 0;
	vpl011_reset(0);
	vpl011_reset(1);
}

static void say(unsigned persona, const char *text)
{
	for (; *text; text++)
		vpl011_write(persona, 0, 1, (uint8_t)*text);
}

static void type(const char *text)
{
	typed = text;
	while (*typed && !in.waiting)
		console_irq(33);
}

static const char *heard(unsigned persona)
{
	static char text[4096];
	size_t n = 0;
	while (!(vpl011_read(persona, 0x18, 4) & 0x10) && n < sizeof(text) - 1)
		text[n++] = (char)vpl011_read(persona, 0, 4);
	text[n] = 0;
	return text;
}

#define assert_wire(text) \
	do { \
		assert_string_equal(wire, text); \
		wire_len = 0; \
		wire[0] = 0; \
	} while (0)

static void test_prefixed_lines_carry_their_source(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	say(0, "one\r\ntw");
	say(1, "x\n");
	say(0, "o\n\n");
	console_log("vault %u", 3u);
	assert_wire("personal| one\nwork| x\npersonal| two\npersonal| \nmvp| vault 3\n");
}

static void test_prefixed_prompts_appear_after_silence(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	say(0, "login: ");
	assert_int_equal(host_timer, host_time + 50000);
	host_time += 49000;
	console_tick(host_time);
	assert_wire("");
	host_time += 1000;
	timer_fired();
	console_tick(host_time);
	assert_wire("personal| login: ");
	say(0, "root\n");
	assert_wire("root\n");
	say(0, "$ ");
	host_time += 50000;
	console_tick(host_time);
	say(1, "hello\n");
	say(0, "ls\n");
	assert_wire("personal| $ \nwork| hello\npersonal| ls\n");
	/* A line that never rests is shown after half a second. */
	say(1, "a");
	for (unsigned i = 0; i < 20; i++) {
		host_time += 30000;
		say(1, "b");
		console_tick(host_time);
	}
	assert_true(wire_len > 10);
}

static void test_prefixed_long_lines_lose_nothing(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	char text[1001] = { 0 };
	memset(text, 'z', 1000);
	say(0, text);
	say(0, "\n");
	assert_int_equal(wire_len, 10 + 1000 + 1);
}

static void test_prefixed_input_goes_where_it_is_addressed(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	type("personal|ls -l\nwork|cat\r\nwork|\x03\rpersonal|\n");
	assert_string_equal(heard(0), "ls -l\n\n");
	assert_string_equal(heard(1), "cat\n\x03\n");
	type("mvp|unlock correct horse \n");
	assert_string_equal(asked, "unlock 9 correct horse ");
	type("mvp|status\n");
	assert_string_equal(asked, "status");
	type("mvp|poweroff\n");
	assert_string_equal(asked, "poweroff");
	type("mvp|reset\n");
	assert_string_equal(asked, "reset");
	type("mvp|switch\n");
	assert_int_equal(switches, 1);
	assert_wire("");
	type("mvp|statuss\nnobody|x\npersona\n\n");
	assert_wire("mvp| unknown command\nmvp| unknown line\nmvp| unknown line\n");
	/* The passcode does not stay behind. */
	for (size_t i = 0; i < sizeof(in.line); i++)
		assert_int_equal(in.line[i], 0);
}

static void test_input_goes_to_the_virtio_console_once_it_is_used(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	vconsole_got[0] = 0;
	type("work|uart\n");
	vconsole_used = true;
	type("work|there\npersonal|here\n");
	vconsole_used = false;
	assert_string_equal(vconsole_got, "there\n");
	assert_string_equal(heard(1), "uart\n");
	assert_string_equal(heard(0), "here\n");
}

static void test_prefixed_input_waits_for_room(void **state)
{
	(void)state;
	start(MVP_CONSOLE_PREFIXED);
	char text[3100] = { 0 };
	size_t n = 0;
	for (unsigned i = 0; i < 3; i++) {
		n += text_format(text + n, sizeof(text) - n, "work|");
		memset(text + n, '0' + (int)i, 900);
		n += 900;
		text[n++] = '\n';
	}
	type(text);
	assert_true(in.waiting);
	assert_false(rx_interrupt);
	assert_int_equal(strlen(heard(1)), 1802);
	assert_int_equal(host_doorbells, 1);
	console_input();
	assert_false(in.waiting);
	assert_true(rx_interrupt);
	assert_int_equal(strlen(heard(1)), 901);
	/* A line too long is refused whole. */
	char long_line[INPUT_SIZE + 2];
	memset(long_line, 'a', sizeof(long_line));
	memcpy(long_line, "work|", 5);
	long_line[INPUT_SIZE] = '\n';
	long_line[INPUT_SIZE + 1] = 0;
	type(long_line);
	assert_string_equal(heard(1), "");
	assert_wire("mvp| line too long\n");
}

static void test_mux_shows_the_front_and_keeps_the_other(void **state)
{
	(void)state;
	start(MVP_CONSOLE_MUX);
	say(0, "front\r\n");
	say(1, "behind\r\n");
	assert_wire("front\r\n");
	say(0, "part");
	type("\x1d");
	assert_wire("part\r\n\033[1;38;2;10;11;12m[mvp] work\033[0m\r\nbehind\r\n");
	type("hi");
	assert_string_equal(heard(1), "hi");
	assert_string_equal(heard(0), "");
	for (unsigned i = 0; i < 20000; i++)
		say(0, i < 10000 ? "a" : "b");
	assert_wire("");
	type("\x1d");
	/* The last 16 KiB. */
	const char *p = strstr(wire, "\r\n");
	assert_non_null(p);
	assert_int_equal(strspn(p + 2, "a"), 16384 - 10000);
	assert_int_equal(strlen(p + 2), 16384);
}

static void test_mux_passcode_is_read_without_echo(void **state)
{
	(void)state;
	start(MVP_CONSOLE_MUX);
	locked = true;
	type("\x1d");
	assert_wire("\033[1;38;2;10;11;12m[mvp] work\033[0m\r\n[mvp] work is locked. Passcode: ");
	type("abX\x7f"
	     "cd\r");
	assert_string_equal(asked, "unlock 1 abcd");
	assert_wire("");
	assert_string_equal(heard(1), "");
	console_ask_passcode(true);
	assert_wire("\r\n[mvp] work is locked. Passcode: ");
	console_log("personal: off");
	assert_wire("\r\n[mvp] personal: off\r\n[mvp] work is locked. Passcode: ");
	type("zzz\x15ok\n");
	assert_string_equal(asked, "unlock 1 ok");
	char text[202] = { 0 };
	memset(text, 'p', 200);
	text[200] = '\r';
	console_ask_passcode(true);
	type(text);
	assert_int_equal(in.passcode_len, 0);
	for (size_t i = 0; i < sizeof(in.passcode); i++)
		assert_int_equal(in.passcode[i], 0);
}

static void test_slow_wire_holds_personas_up_and_loses_nothing(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		start((enum mvp_console)mode);
		wire_room = 0;
		vpl011_write(0, 0x38, 4, 0x20);
		unsigned sent = 0;
		while (!(vpl011_read(0, 0x18, 4) & FR_TXFF) && sent < 200000) {
			vpl011_write(0, 0, 1, sent % 64 == 63 ? '\n' : 'a' + sent % 26);
			sent++;
		}
		assert_true(sent > 1000 && sent < 200000);
		assert_true(tx_interrupt);
		vpl011_write(0, 0x44, 4, 0x20);
		assert_int_equal(vpl011_read(0, 0x40, 4), 0);
		wire_room = SIZE_MAX;
		console_irq(33);
		assert_false(tx_interrupt);
		assert_int_equal(vpl011_read(0, 0x40, 4), 0x20);
		assert_int_equal(host_lines[0][1], 1);
		console_tick(host_time + 1000000);
		unsigned letters = 0, expected = 0;
		for (size_t i = 0; i < wire_len; i++)
			letters += wire[i] == '\n';
		for (unsigned i = 0; i < sent; i++)
			expected += i % 64 == 63;
		assert_int_equal(letters, expected);
	}
}

static void test_uart_registers_row_by_row(void **state)
{
	(void)state;
	start(MVP_CONSOLE_MUX);
	static const struct {
		uint32_t at, write, read;
	} rows[] = {
		{ 0x020, 0xffffffff, 0xff },
		{ 0x024, 0xffffffff, 0xffff },
		{ 0x028, 0xffffffff, 0x3f },
		{ 0x02c, 0xffffffff, 0xff },
		{ 0x030, 0xffffffff, 0xff87 },
		{ 0x034, 0xffffffff, 0x3f },
		{ 0x048, 0xffffffff, 7 },
		{ 0x018, 0xffffffff, 0x97 },
		{ 0x03c, 0xffffffff, 0 },
		{ 0xfe0, 0, 0x11 },
		{ 0xfe4, 0, 0x10 },
		{ 0xfe8, 0, 0x34 },
		{ 0xfec, 0, 0 },
		{ 0xff0, 0, 0x0d },
		{ 0xff4, 0, 0xf0 },
		{ 0xff8, 0, 0x05 },
		{ 0xffc, 0, 0xb1 },
		{ 0x800, 5, 0 },
		{ 0x004, 0, 0 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		vpl011_write(0, rows[i].at, 4, rows[i].write);
		assert_int_equal(vpl011_read(0, rows[i].at, 4), rows[i].read);
	}
	assert_int_equal(vpl011_read(0, 0x025, 1), 0xff);
	assert_int_equal(vpl011_read(0, 0x027, 4), 0);
}

static void test_uart_receive_interrupts_follow_the_fifo(void **state)
{
	(void)state;
	start(MVP_CONSOLE_MUX);
	vpl011_write(1, 0x2c, 4, 0x70);
	vpl011_write(1, 0x34, 4, 2 << 3); /* trigger at half */
	vpl011_write(1, 0x38, 4, 0x50);
	assert_int_equal(host_lines[1][1], 0);
	assert_true(vpl011_receive(1, (const uint8_t *)"x", 1));
	assert_int_equal(vpl011_read(1, 0x40, 4), 0x40);
	assert_int_equal(host_lines[1][1], 1);
	assert_true(vpl011_receive(1, (const uint8_t *)"0123456789abcdef", 16));
	assert_int_equal(vpl011_read(1, 0x40, 4), 0x50);
	vpl011_write(1, 0x44, 4, 0x50); /* the cause is still there */
	assert_int_equal(vpl011_read(1, 0x3c, 4), 0x50);
	assert_string_equal(heard(1), "x0123456789abcdef");
	assert_int_equal(vpl011_read(1, 0x40, 4), 0);
	assert_int_equal(host_lines[1][1], 0);
	assert_int_equal(vpl011_read(1, 0, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixed_lines_carry_their_source),
		cmocka_unit_test(test_prefixed_prompts_appear_after_silence),
		cmocka_unit_test(test_prefixed_long_lines_lose_nothing),
		cmocka_unit_test(test_prefixed_input_goes_where_it_is_addressed),
		cmocka_unit_test(test_input_goes_to_the_virtio_console_once_it_is_used),
		cmocka_unit_test(test_prefixed_input_waits_for_room),
		cmocka_unit_test(test_mux_shows_the_front_and_keeps_the_other),
		cmocka_unit_test(test_mux_passcode_is_read_without_echo),
		cmocka_unit_test(test_slow_wire_holds_personas_up_and_loses_nothing),
		cmocka_unit_test(test_uart_registers_row_by_row),
		cmocka_unit_test(test_uart_receive_interrupts_follow_the_fifo),
	};
	return cmocka_run_group_tests_name("vault console", tests, NULL, NULL);
}

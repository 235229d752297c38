/* The personas' console device and the control port behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fixture_guest.h"
#include "tests/unit/fixture_orders.h"

#include "vmm/vault/devices/vconsole.c"
#define get control_get
#define set control_set
#define take control_take
#include "vmm/vault/control.c"
#undef get
#undef set
#undef take

#define SLOT MVP_SLOT_CONSOLE
#define MULTIPORT 2
#define ROOM 2048u /* of each buffer a driver gives */
enum { RX0 = 0, TX0 = 1, CRX = 2, CTX = 3, RX1 = 4, TX1 = 5, RX2 = 6, TX2 = 7 };

/* The rest of the vault */
struct persona personas[MVP_MAX_PERSONAS];
static char wire[0x4000];
static size_t wire_len, wire_room;
static unsigned input_wanted, switches, bar_told;
static unsigned shown;

bool console_put(unsigned persona, uint8_t c)
{
	if (!wire_room || wire_len + 1 == sizeof(wire))
		return false;
	assert_int_equal(persona, 0);
	wire_room--;
	wire[wire_len++] = (char)c;
	wire[wire_len] = 0;
	return true;
}

void console_wants_input(unsigned persona)
{
	(void)persona;
	input_wanted++;
}

unsigned front_persona(void)
{
	return shown;
}

void console_answer(unsigned source)
{
	(void)source;
	fail();
}

static unsigned ups[MVP_MAX_PERSONAS];

void handset_persona_up(unsigned persona)
{
	ups[persona]++;
}

void handset_switch(void)
{
	switches++;
	shown = 1 - shown;
}

void control_alerts_changed(void)
{
	bar_told++;
}

/* The alerts' port: what the agent wrote, and what there is for it. */
static uint8_t alert_in[0x4000];
static size_t alert_in_len, alert_in_room, alert_out_len;
static unsigned alert_opened, alert_closed, sent_alerts;

void notify_open(unsigned persona, bool open)
{
	(void)persona;
	alert_opened += open;
	alert_closed += !open;
}

size_t notify_take(unsigned persona, const uint8_t *data, size_t len)
{
	(void)persona;
	size_t n = len < alert_in_room ? len : alert_in_room;
	memcpy(alert_in + alert_in_len, data, n);
	alert_in_len += n;
	alert_in_room -= n;
	return n;
}

size_t notify_give(unsigned persona, uint8_t *ret, size_t size)
{
	(void)persona;
	size_t n = size < alert_out_len ? size : alert_out_len;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)('a' + alert_out_len-- % 26);
	return n;
}

static uint64_t host_lease = UINT64_MAX;

uint64_t lease_left(void)
{
	return host_lease;
}

unsigned notify_alerts(unsigned persona)
{
	return persona ? 0 : sent_alerts;
}

/* The driver */

static void give(unsigned p, unsigned q, unsigned count)
{
	static unsigned n;
	for (; count; count--)
		guest_offer(p, SLOT, q, &(struct piece){ GUEST_DATA_AT + q * 0x10000 + n++ % 16 * ROOM, ROOM, true }, 1);
	guest_notify(p, SLOT, q);
}

/* What came in the queue's next buffer, as text; buffers come back in order. */
static const char *got(unsigned p, unsigned q)
{
	static char text[ROOM + 1];
	uint16_t head;
	uint32_t len;
	text[0] = 0;
	if (guest_used(p, SLOT, q, &head, &len)) {
		const uint8_t *desc = guest_queue_at(p, SLOT, q) + 16u * head;
		memcpy(text, guest_ram[p] + (get_le64(desc) - MVP_GUEST_RAM), len);
		text[len] = 0;
	}
	return text;
}

static void offer_text(unsigned p, unsigned q, const char *text)
{
	static uint32_t at;
	uint32_t len = (uint32_t)strlen(text);
	at = at + len < 0x4000 ? at : 0;
	memcpy(guest_ram[p] + 0xc0000 + at, text, len);
	guest_offer(p, SLOT, q, &(struct piece){ 0xc0000 + at, len, false }, 1);
	at += len;
}

static void say(unsigned p, unsigned q, const char *text)
{
	offer_text(p, q, text);
	guest_notify(p, SLOT, q);
}

static void message(unsigned p, uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t m[8];
	put_le(m, id, 4);
	put_le(m + 4, event, 2);
	put_le(m + 6, value, 2);
	memcpy(guest_ram[p] + 0xb0000, m, 8);
	guest_offer(p, SLOT, CTX, &(struct piece){ 0xb0000, 8, false }, 1);
	guest_notify(p, SLOT, CTX);
}

static void plug(unsigned p)
{
	vconsole_plug(&(struct guest){ p, &host_config.persona[p], NULL, &(struct ram){ guest_ram[p], GUEST_RAM } });
	assert_int_equal(guest_start(p, SLOT, MULTIPORT, GUEST_QUEUES), 15);
}

static int setup(void **state)
{
	(void)state;
	guest_memory();
	host_config = (struct mvp_vault_config){ .personas = 2, .persona = { { .name = "personal" }, { .name = "work" } } };
	host_time = 1000000;
	host_doorbells = switches = bar_told = input_wanted = shown = 0;
	alert_in_len = alert_out_len = 0;
	alert_in_room = sizeof(alert_in);
	alert_opened = alert_closed = sent_alerts = 0;
	wire_len = 0;
	wire[0] = 0;
	wire_room = SIZE_MAX;
	memset(agents, 0, sizeof(agents));
	personas[0].state = personas[1].state = PERSONA_RUNNING;
	alerts_dirty = front = 0;
	alerts_before = 0;
	memset(armed, 0, sizeof(armed));
	plug(0);
	plug(1);
	return 0;
}

/* An agent begins. */
static void agent(unsigned p)
{
	message(p, PORT_CONTROL, PORT_OPEN, 1);
	give(p, RX1, 8);
}

static void test_ports_are_announced_in_order(void **state)
{
	(void)state;
	static const struct {
		uint32_t id;
		uint16_t event, value;
		const char *rest;
	} rows[] = {
		{ 0, PORT_ADD, 1, "" },
		{ 1, PORT_ADD, 1, "" },
		{ 2, PORT_ADD, 1, "" },
		{ 0, CONSOLE_PORT, 1, "" },
		{ 0, PORT_NAME, 1, "org.mvp.console" },
		{ 0, PORT_OPEN, 1, "" },
		{ 1, PORT_NAME, 1, "org.mvp.control" },
		{ 1, PORT_OPEN, 1, "" },
		{ 2, PORT_NAME, 1, "org.mvp.notify" },
		{ 2, PORT_OPEN, 1, "" },
	};
	assert_int_equal(vdev_read(0, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x104, 4), 3);
	assert_int_equal(guest_read(0, SLOT, 0x08), 3);
	give(0, CRX, 1);
	message(0, 0, DEVICE_READY, 1);
	give(0, CRX, 9);
	message(0, 0, PORT_READY, 1);
	message(0, 1, PORT_READY, 1);
	message(0, 2, PORT_READY, 1);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const uint8_t *m = (const uint8_t *)got(0, CRX);
		assert_int_equal(get_le32(m), rows[i].id);
		assert_int_equal(get_le16(m + 4), rows[i].event);
		assert_int_equal(get_le16(m + 6), rows[i].value);
		assert_string_equal((const char *)m + 8, rows[i].rest);
	}
	assert_int_equal(guest_used_count(0, SLOT, CRX), 0);
	/* Ports that there are not, and messages that mean nothing. */
	give(0, CRX, 4);
	message(0, 3, PORT_READY, 1);
	message(0, UINT32_MAX, PORT_OPEN, 1);
	message(0, 0, 99, 1);
	message(0, 0, DEVICE_READY, 0);
	guest_offer(0, SLOT, CTX, &(struct piece){ 0xb0000, 7, false }, 1);
	guest_notify(0, SLOT, CTX);
	assert_int_equal(guest_used_count(0, SLOT, CRX), 0);
	assert_int_equal(guest_used_count(0, SLOT, CTX), 9);
}

static void test_output_waits_for_room_and_loses_nothing(void **state)
{
	(void)state;
	wire_room = 10;
	offer_text(0, TX0, "in three");
	offer_text(0, TX0, " pieces of");
	say(0, TX0, " text");
	assert_string_equal(wire, "in three p");
	assert_int_equal(guest_used_count(0, SLOT, TX0), 1);
	wire_room = 3;
	vconsole_room(0);
	assert_string_equal(wire, "in three piec");
	wire_room = 100;
	vconsole_room(0);
	guest_notify(0, SLOT, TX0);
	assert_string_equal(wire, "in three pieces of text");
	assert_int_equal(guest_used_count(0, SLOT, TX0), 2);
}

static void test_long_output_is_taken_in_turns(void **state)
{
	(void)state;
	memset(guest_ram[0] + GUEST_DATA_AT, 'x', 5000);
	guest_offer(0, SLOT, TX0, &(struct piece){ GUEST_DATA_AT, 5000, false }, 1);
	guest_notify(0, SLOT, TX0);
	unsigned turns = 1;
	size_t before = 0;
	for (; wire_len < 5000; turns++) {
		assert_true(wire_len - before <= TAKE_BYTES && wire_len > before);
		assert_int_equal(guest_used_count(0, SLOT, TX0), 0);
		assert_int_equal(host_timer, host_time + 1000);
		before = wire_len;
		host_time += 1000;
		timer_fired();
		vconsole_tick();
		assert_true(turns < 100);
	}
	assert_int_equal(turns, 10);
	assert_int_equal(guest_used_count(0, SLOT, TX0), 1);
	vconsole_tick();
	assert_int_equal(wire_len, 5000);
}

static void test_input_comes_once_the_port_was_written_to(void **state)
{
	(void)state;
	assert_false(vconsole_has_input(0));
	say(0, TX0, "# ");
	assert_true(vconsole_has_input(0));
	assert_false(vconsole_has_input(1));
	assert_true(vconsole_receive(0, (const uint8_t *)"date\n", 5));
	input_wanted = 0;
	give(0, RX0, 1);
	assert_string_equal(got(0, RX0), "date\n");
	assert_int_equal(input_wanted, 1);
	/* Room for FIFO_SIZE bytes, all or nothing, and all of it in order. */
	static uint8_t much[FIFO_SIZE];
	for (unsigned i = 0; i < sizeof(much); i++)
		much[i] = (uint8_t)('a' + i % 26);
	assert_true(vconsole_receive(0, much, sizeof(much) - 100));
	assert_false(vconsole_receive(0, much, 101));
	assert_true(vconsole_receive(0, much + sizeof(much) - 100, 100));
	assert_false(vconsole_receive(0, much, 1));
	guest_offer(0, SLOT, RX0, &(struct piece){ GUEST_DATA_AT, 100, true }, 1);
	guest_offer(0, SLOT, RX0, &(struct piece){ GUEST_DATA_AT + 100, 4000, true }, 1);
	guest_notify(0, SLOT, RX0);
	assert_memory_equal(guest_ram[0] + GUEST_DATA_AT, much, sizeof(much));
	assert_int_equal(guest_used_count(0, SLOT, RX0), 2);
	guest_write(0, SLOT, STATUS_REG, 0);
	assert_false(vconsole_has_input(0));
	assert_true(vconsole_receive(0, much, 1)); /* dropped, not kept for the next life */
	assert_int_equal(guest_start(0, SLOT, MULTIPORT, GUEST_QUEUES), 15);
	give(0, RX0, 1);
	assert_int_equal(guest_used_count(0, SLOT, RX0), 0);
}

static void test_lines_and_answers(void **state)
{
	(void)state;
	char longest[LINE_SIZE + 3], answer_to_longest[] = "unknown\n";
	static const struct {
		const char *line, *answer;
	} rows[] = {
		{ "hello\n", "mvp 1 personal\n" },
		{ "hello\r\n", "mvp 1 personal\n" },
		{ "status\n", "status front yes other open lease none\n" },
		{ "\n", "unknown\n" },
		{ "\r\n", "unknown\n" },
		{ "Hello\n", "unknown\n" },
		{ "hello \n", "unknown\n" },
		{ " hello\n", "unknown\n" },
		{ "hell\n", "unknown\n" },
		{ "helloo\n", "unknown\n" },
		{ "switch\n", "denied\n" },
		{ "switch now\n", "unknown\n" },
		{ "up\n", "ok\n" },
		{ "alerts 0\n", "ok\n" },
		{ "alerts 7\n", "ok\n" },
		{ "alerts 999\n", "ok\n" },
		{ "alerts 1000\n", "unknown\n" },
		{ "alerts\n", "unknown\n" },
		{ "alerts \n", "unknown\n" },
		{ "alerts -1\n", "unknown\n" },
		{ "alerts 1x\n", "unknown\n" },
		{ "alerts  1\n", "unknown\n" },
		{ "hello\nstatus\n", "mvp 1 personal\nstatus front yes other open lease none\n" },
		{ "\x01\xff\n", "unknown\n" },
	};
	agent(0);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		say(0, TX1, rows[i].line);
		assert_string_equal(got(0, RX1), rows[i].answer);
		give(0, RX1, 1);
	}
	assert_int_equal(control_alerts(0), 999);
	assert_int_equal(control_alerts(1), 0);
	/* A line of 4097 bytes is none, whatever it begins with; the next one is whole. */
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "hello", 5);
	longest[LINE_SIZE + 1] = '\n';
	longest[LINE_SIZE + 2] = 0;
	say(0, TX1, longest);
	for (unsigned i = 0; i < LINE_SIZE / TAKE_BYTES + 1; i++) {
		host_time += 100000;
		vconsole_tick();
	}
	assert_string_equal(got(0, RX1), answer_to_longest);
	say(0, TX1, "hel");
	assert_string_equal(got(0, RX1), "");
	say(0, TX1, "lo\n");
	assert_string_equal(got(0, RX1), "mvp 1 personal\n");
}

static void test_states_of_the_other_persona(void **state)
{
	(void)state;
	static const struct {
		enum persona_state state;
		const char *answer;
	} rows[] = {
		{ PERSONA_WAITING, "status front yes other locked lease none\n" },
		{ PERSONA_LOCKED, "status front yes other locked lease none\n" },
		{ PERSONA_UNLOCKING, "status front yes other locked lease none\n" },
		{ PERSONA_LOADING, "status front yes other open lease none\n" },
		{ PERSONA_RUNNING, "status front yes other open lease none\n" },
		{ PERSONA_OFF, "status front yes other off lease none\n" },
		{ PERSONA_FAILED, "status front yes other off lease none\n" },
		{ PERSONA_BARRED, "status front yes other locked lease none\n" },
		{ PERSONA_WIPING, "status front yes other off lease none\n" },
		{ PERSONA_WIPED, "status front yes other off lease none\n" },
	};
	agent(0);
	give(0, RX1, 8);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		personas[1].state = rows[i].state;
		say(0, TX1, "status\n");
		assert_string_equal(got(0, RX1), rows[i].answer);
	}
	host_lease = 604800;
	say(0, TX1, "status\n");
	assert_string_equal(got(0, RX1), "status front yes other off lease 604800\n");
	host_lease = UINT64_MAX;
}

static void test_a_switch_needs_leave_and_comes_once_a_second(void **state)
{
	(void)state;
	host_config.persona[1].may_switch = 1;
	agent(0);
	agent(1);
	say(0, TX1, "switch\n");
	assert_string_equal(got(0, RX1), "denied\n");
	assert_int_equal(host_doorbells, 0);
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "ok\n");
	assert_int_equal(switches, 0); /* CPU 0 does it */
	assert_int_equal(host_doorbells, 1);
	control_poll();
	assert_int_equal(switches, 1);
	assert_int_equal(shown, 1);
	assert_string_equal(got(1, RX1), "front\n");
	assert_string_equal(got(0, RX1), "behind\n");
	host_time += 999999;
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "denied\n");
	host_time += 1;
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "ok\n");
	control_poll();
	assert_int_equal(switches, 2);
	assert_int_equal(shown, 0);
	/* Its wish came true by other hands before CPU 0 came to it. */
	host_time += 1000000;
	say(1, TX1, "switch\n");
	shown = 1;
	control_poll();
	assert_int_equal(switches, 2);
	assert_int_equal(shown, 1);
	control_poll();
	assert_int_equal(switches, 2);
}

static void test_the_second_counts_from_the_switch(void **state)
{
	(void)state;
	host_config.persona[1].may_switch = 1;
	agent(1);
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "ok\n");
	host_time += 1000000; /* CPU 0 is late */
	control_poll();
	assert_int_equal(switches, 1);
	assert_string_equal(got(1, RX1), "front\n");
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "denied\n");
	host_time += 1000000;
	say(1, TX1, "switch\n");
	assert_string_equal(got(1, RX1), "ok\n");
}

static void test_events_go_to_agents_that_listen(void **state)
{
	(void)state;
	shown = 1;
	control_poll();
	agent(0);
	assert_string_equal(got(0, RX1), ""); /* what happened before it came is no news */
	/* It does not read: it learns the last of it. */
	say(0, TX1, "status\n");
	assert_string_equal(got(0, RX1), "status front no other open lease none\n");
	message(1, PORT_CONTROL, PORT_OPEN, 1);
	for (unsigned i = 0; i < 1001; i++) {
		shown = 1 - shown;
		control_poll();
	}
	assert_int_equal(vconsoles[1].port[PORT_CONTROL].fifo_len <= FIFO_SIZE, 1);
	give(1, RX1, 8);
	char all[2 * ROOM + 1];
	size_t first = (size_t)snprintf(all, sizeof(all), "%s", got(1, RX1));
	(void)snprintf(all + first, sizeof(all) - first, "%s", got(1, RX1));
	assert_string_equal(all + strlen(all) - 7, "behind\n");
	assert_int_equal(guest_used_count(1, SLOT, RX1), 0);
	/* It goes, another comes: nothing is left. */
	shown = 1;
	message(1, PORT_CONTROL, PORT_OPEN, 0);
	control_poll();
	message(1, PORT_CONTROL, PORT_OPEN, 1);
	say(1, TX1, "status\n");
	assert_string_equal(got(1, RX1), "status front yes other open lease none\n");
}

static void test_an_agent_that_does_not_read_is_not_listened_to(void **state)
{
	(void)state;
	message(0, PORT_CONTROL, PORT_OPEN, 1);
	unsigned answers = 0, chains = 0;
	for (; chains < 120; chains++)
		offer_text(0, TX1, "hello\nhello\nhello\nhello\nhello\n");
	for (unsigned i = 0; i < 100; i++) {
		guest_notify(0, SLOT, TX1);
		host_time += 1000;
		vconsole_tick();
	}
	assert_true(vconsoles[0].port[PORT_CONTROL].fifo_len <= FIFO_SIZE);
	assert_true(guest_used_count(0, SLOT, TX1) < 40);
	for (unsigned i = 0; i < 200 && answers < 600; i++) {
		give(0, RX1, 1);
		const char *text = got(0, RX1);
		for (; *text; text += strlen("mvp 1 personal\n"), answers++)
			assert_int_equal(strncmp(text, "mvp 1 personal\n", 15), 0);
		host_time += 1000;
		vconsole_tick();
	}
	assert_int_equal(answers, 600);
}

static void test_the_bar_is_told_ten_times_a_second(void **state)
{
	(void)state;
	agent(0);
	say(0, TX1, "alerts 1\n");
	control_poll();
	assert_int_equal(bar_told, 1);
	unsigned bells = host_doorbells;
	for (unsigned i = 0; i < 50; i++) {
		say(0, TX1, i & 1 ? "alerts 2\n" : "alerts 3\n");
		control_poll();
	}
	assert_int_equal(bar_told, 1);
	assert_int_equal(host_doorbells, bells + 1);
	assert_int_equal(host_timer, host_time + 100000);
	host_time += 100000;
	timer_fired();
	control_poll();
	assert_int_equal(bar_told, 2);
	control_poll();
	host_time += 1000000;
	control_poll();
	assert_int_equal(bar_told, 2);
	/* The persona begins again: nothing waits in it any more. */
	plug(0);
	assert_int_equal(control_alerts(0), 0);
	control_poll();
	assert_int_equal(bar_told, 3);
}

/* A question that takes long holds up the lines behind it, and no others. */
static void test_long_questions_are_answered_in_order(void **state)
{
	(void)state;
	memset(question, 0, sizeof(question));
	agent(0);
	say(0, TX1, "order abcd\nhello\n");
	assert_string_equal(question[0].line, "order abcd");
	assert_string_equal(got(0, RX1), "");
	host_time += 100000;
	vconsole_tick();
	assert_string_equal(got(0, RX1), "");
	strcpy(question[0].answer, "order accepted\n");
	orders_answered(0);
	assert_string_equal(got(0, RX1), "order accepted\n");
	host_time += 100000;
	vconsole_tick();
	assert_string_equal(got(0, RX1), "mvp 1 personal\n");
	say(0, TX1, "order bad\n"); /* is no message at all */
	assert_string_equal(got(0, RX1), "order refused\n");
}

static void test_an_answer_is_for_the_agent_that_asked(void **state)
{
	(void)state;
	memset(question, 0, sizeof(question));
	agent(0);
	say(0, TX1, "order abcd\n");
	message(0, 1, PORT_OPEN, 0);
	message(0, 1, PORT_OPEN, 1);
	say(0, TX1, "hello\n"); /* not yet: the order is still under way */
	strcpy(question[0].answer, "order accepted\n");
	orders_answered(0);
	host_time += 100000;
	vconsole_tick();
	assert_string_equal(got(0, RX1), "mvp 1 personal\n");
}

/* What it could not get rid of is given back, and so is the message that it ended: each to its own queue. */
static void test_an_agent_that_ends_with_much_to_say_harms_no_queue(void **state)
{
	(void)state;
	uint16_t head, said[5], ended;
	uint32_t len;
	message(0, PORT_NOTIFY, PORT_OPEN, 1);
	assert_true(guest_used(0, SLOT, CTX, &head, &len));
	alert_in_room = 0;
	for (unsigned i = 0; i < ARRAY_LEN(said); i++) {
		memcpy(guest_ram[0] + 0xc0000, "frames", 6);
		said[i] = guest_offer(0, SLOT, TX2, &(struct piece){ 0xc0000, 6, false }, 1);
	}
	guest_notify(0, SLOT, TX2);
	assert_false(guest_used(0, SLOT, TX2, &head, &len));
	/* Messages are at another place in their queue than the last of the frames. */
	message(0, PORT_CONTROL, PORT_OPEN, 1);
	assert_true(guest_used(0, SLOT, CTX, &head, &len));
	memcpy(guest_ram[0] + 0xb0000, (const uint8_t[]){ PORT_NOTIFY, 0, 0, 0, PORT_OPEN, 0, 0, 0 }, 8);
	ended = guest_offer(0, SLOT, CTX, &(struct piece){ 0xb0000, 8, false }, 1);
	guest_notify(0, SLOT, CTX);
	for (unsigned i = 0; i < ARRAY_LEN(said); i++) {
		assert_true(guest_used(0, SLOT, TX2, &head, &len));
		assert_int_equal(head, said[i]);
	}
	assert_true(ended != said[ARRAY_LEN(said) - 1] && guest_used(0, SLOT, CTX, &head, &len));
	assert_int_equal(head, ended);
}

static void test_alerts_go_through_their_port(void **state)
{
	(void)state;
	alert_closed = 0;
	message(0, PORT_NOTIFY, PORT_OPEN, 1);
	assert_int_equal(alert_opened, 1);
	say(0, TX2, "frames");
	assert_memory_equal(alert_in, "frames", 6);
	/* More than fits the FIFO, and the guest's buffers, at once. */
	alert_out_len = 9000;
	give(0, RX2, 3);
	uint32_t len = 0, more;
	uint16_t head;
	for (unsigned n = 0; len < 9000 && n < 50; n++) {
		give(0, RX2, 1);
		while (guest_used(0, SLOT, RX2, &head, &more)) {
			assert_int_equal(guest_ram[0][get_le64(guest_queue_at(0, SLOT, RX2) + 16u * head) - MVP_GUEST_RAM],
					 'a' + (9000 - len) % 26);
			len += more;
		}
	}
	assert_int_equal(len, 9000);
	/* It waits while the other end has no room, and is woken for what comes later. */
	alert_in_room = 3;
	say(0, TX2, "waits");
	assert_int_equal(alert_in_len, 9);
	assert_int_equal(guest_used_count(0, SLOT, TX2), 1);
	alert_in_room = 100;
	alert_out_len = 5;
	give(0, RX2, 1);
	notify_wake(0);
	assert_memory_equal(alert_in, "frameswaits", 11);
	assert_int_equal(alert_out_len, 0);
	/* What an agent that is gone had written is not the next one's. */
	alert_in_room = 0;
	say(0, TX2, "old");
	message(0, PORT_NOTIFY, PORT_OPEN, 0);
	assert_int_equal(alert_closed, 1);
	message(0, PORT_NOTIFY, PORT_OPEN, 1);
	alert_in_room = 100;
	say(0, TX2, "new");
	assert_memory_equal(alert_in, "frameswaitsnew", 14);
	assert_int_equal(alert_in_len, 14);
	/* The persona begins again. */
	guest_write(0, SLOT, STATUS_REG, 0);
	assert_int_equal(alert_closed, 2);
}

static void test_the_bar_counts_what_was_sent_or_said(void **state)
{
	(void)state;
	agent(0);
	say(0, TX1, "alerts 3\n");
	assert_int_equal(control_alerts(0), 3);
	sent_alerts = 5;
	assert_int_equal(control_alerts(0), 5);
	sent_alerts = 5000;
	assert_int_equal(control_alerts(0), 999);
	assert_int_equal(control_alerts(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ports_are_announced_in_order, setup),
		cmocka_unit_test_setup(test_output_waits_for_room_and_loses_nothing, setup),
		cmocka_unit_test_setup(test_long_output_is_taken_in_turns, setup),
		cmocka_unit_test_setup(test_input_comes_once_the_port_was_written_to, setup),
		cmocka_unit_test_setup(test_lines_and_answers, setup),
		cmocka_unit_test_setup(test_states_of_the_other_persona, setup),
		cmocka_unit_test_setup(test_a_switch_needs_leave_and_comes_once_a_second, setup),
		cmocka_unit_test_setup(test_the_second_counts_from_the_switch, setup),
		cmocka_unit_test_setup(test_events_go_to_agents_that_listen, setup),
		cmocka_unit_test_setup(test_an_agent_that_does_not_read_is_not_listened_to, setup),
		cmocka_unit_test_setup(test_the_bar_is_told_ten_times_a_second, setup),
		cmocka_unit_test_setup(test_long_questions_are_answered_in_order, setup),
		cmocka_unit_test_setup(test_an_answer_is_for_the_agent_that_asked, setup),
		cmocka_unit_test_setup(test_an_agent_that_ends_with_much_to_say_harms_no_queue, setup),
		cmocka_unit_test_setup(test_alerts_go_through_their_port, setup),
		cmocka_unit_test_setup(test_the_bar_counts_what_was_sent_or_said, setup),
	};
	int failed = cmocka_run_group_tests_name("vault console device", tests, NULL, NULL);
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++)
		free(guest_ram[p]);
	return failed;
}

/* Hostile drivers of the console device and the entropy device, and hostile agents at the control port: the input is a script of what two
 * personas, the handset and time do. Whatever happens, only the persona that may ask switches the screen, once a second; the bar is told
 * ten times a second at most; output goes out under the name of who wrote it, a bounded piece at a time. */
#define GUEST_RAM 0x15000u
#include "tests/unit/fixture_guest.h"
#include "tests/unit/fixture_orders.h"

#include "vmm/vault/devices/vconsole.c"
#define get control_get /* statics of files that are compiled together */
#define set control_set
#define take control_take
#include "vmm/vault/control.c"
#undef get
#undef set
#undef take
#define frame notify_frame
#include "vmm/vault/notify.c"
#include "vmm/vault/notify_item.c"
#undef frame
#define answer rng_answer
#include "vmm/vault/devices/vrng.c"
#include "vmm/vault/random.c"
#include "vmm/vault/sha256.c"

#define STEPS_MAX 3000
#define STEP_LEN 9

enum { MAY_NOT, MAY };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct persona personas[MVP_MAX_PERSONAS];
static unsigned shown, room, said;
static int speaker; /* who does something now, or -1: anybody may have been waiting */
static uint64_t switched_at, told_at;

void console_answer(unsigned source)
{
	(void)source;
	abort();
}

bool console_put(unsigned persona, uint8_t c)
{
	(void)c;
	if (persona >= MVP_MAX_PERSONAS || (speaker >= 0 && persona != (unsigned)speaker) || ++said > 2 * TAKE_BYTES * MVP_MAX_PERSONAS)
		abort();
	room -= room != 0;
	return room != 0;
}

void console_wants_input(unsigned persona)
{
	(void)persona;
}

unsigned front_persona(void)
{
	return shown;
}

void handset_persona_up(unsigned persona)
{
	(void)persona;
}

void handset_switch(void)
{
	if (host_time - switched_at < SWITCH_MS * 1000)
		abort();
	switched_at = host_time;
	shown = 1 - shown;
}

uint64_t lease_left(void)
{
	return UINT64_MAX;
}

void control_alerts_changed(void)
{
	if (host_time - told_at < ALERTS_MS * 1000)
		abort();
	told_at = host_time;
}

uint32_t pl031_seconds(void)
{
	return (uint32_t)(host_time / 1000000);
}

static void plug(unsigned p)
{
	struct guest g = { p, &host_config.persona[p], NULL, &(struct ram){ guest_ram[p], GUEST_RAM } };
	vconsole_unplug(p);
	vrng_unplug(p);
	vconsole_plug(&g);
	vrng_plug(&g);
	guest_start(p, MVP_SLOT_CONSOLE, FEATURE_MULTIPORT, QUEUES);
	guest_start(p, MVP_SLOT_RNG, 0, 1);
}

/* A line an agent might write, or one of the device's own messages. */
static void offer_sense(unsigned persona, const uint8_t *p)
{
	static const char *const lines[] = {
		"hello\n", "status\n", "switch\n", "alerts 5\n", "alerts 77\n", "x\r\n", "alerts 1000\n", "hel"
	};
	const char *line = lines[p[1] % 8];
	uint32_t at = GUEST_DATA_AT + p[2] * 16u, len = (uint32_t)strlen(line);
	unsigned queue = p[3] & 1 ? rx_queue(PORT_CONTROL) + 1 : CONTROL_TX;
	if (!guest_queue[persona][MVP_SLOT_CONSOLE][queue].num)
		return;
	if (queue == CONTROL_TX) {
		const uint8_t m[MESSAGE_LEN] = { p[4] % 3, 0, 0, 0, p[5] % 8, 0, p[6] & 1, 0 };
		line = (const char *)m;
		len = sizeof(m);
		memcpy(guest_ram[persona] + at, m, len);
	} else {
		memcpy(guest_ram[persona] + at, line, len);
	}
	guest_offer(persona, MVP_SLOT_CONSOLE, queue, &(struct piece){ at, len, false }, 1);
	if (p[3] & 2)
		guest_notify(persona, MVP_SLOT_CONSOLE, queue);
}

static void pass(uint64_t ticks)
{
	host_time += ticks;
	if (!armed[0] || armed[0] > host_time)
		return;
	timer_fired();
	vconsole_tick();
	control_poll();
	notify_poll();
}

static void step(const uint8_t *p)
{
	unsigned persona = p[0] >> 7;
	speaker = (int)persona;
	said = 0;
	switch (p[0] % 16) {
	case 7:
	case 8:
		offer_sense(persona, p);
		break;
	case 9:
		room = p[1] * 16u;
		vconsole_room(persona);
		break;
	case 10:
		vconsole_receive(persona, p + 2, p[1] % 7);
		break;
	case 11:
		speaker = -1;
		control_poll();
		break;
	case 12:
		speaker = -1;
		pass(p[1] * 1000u);
		break;
	case 13:
		shown = p[1] & 1;
		personas[persona].state = (enum persona_state)(p[2] % (PERSONA_FAILED + 1));
		break;
	case 14:
		if (!(p[1] & 0x70)) {
			seeded = p[1] & 1;
			plug(persona);
		}
		break;
	case 15:
		guest_fuzz(persona, MVP_SLOT_RNG, 1, p + 1);
		break;
	default:
		guest_fuzz(persona, MVP_SLOT_CONSOLE, QUEUES, p + 1);
	}
	for (unsigned i = 0; i < MVP_MAX_PERSONAS; i++) {
		for (unsigned k = 0; k < PORTS; k++) {
			if (vconsoles[i].port[k].fifo_len > FIFO_SIZE || vconsoles[i].port[k].fifo_at >= FIFO_SIZE)
				abort();
		}
		if (agents[i].len > LINE_SIZE || control_alerts(i) > ALERTS_MAX)
			abort();
	}
	if (agents[MAY_NOT].wish)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guest_count("vault_vconsole");
	guest_memory();
	memset(guest_queue, 0, sizeof(guest_queue));
	memset(vconsoles, 0, sizeof(vconsoles));
	memset(vrngs, 0, sizeof(vrngs));
	memset(agents, 0, sizeof(agents));
	memset(peers, 0, sizeof(peers));
	memset(armed, 0, sizeof(armed));
	host_config = (struct mvp_vault_config){
		.personas = 2, .notify_queue = 8, .notify_rate = 100, .persona = { { .name = "a" }, { .name = "b", .may_switch = 1 } }
	};
	host_time = 10000000;
	switched_at = told_at = alerts_before = 0;
	shown = front = alerts_dirty = 0;
	room = 1000;
	seeded = true;
	speaker = -1;
	said = 0;
	plug(MAY_NOT);
	plug(MAY);
	for (const uint8_t *p = data, *end = data + size; end - p >= STEP_LEN && p - data < STEPS_MAX * STEP_LEN; p += STEP_LEN)
		step(p);
	return 0;
}

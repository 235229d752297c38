/* Input from hostile devices of the board to a hostile persona (0) and an honest one (1): the input is a script of physical events, changes
 * of focus, and what the drivers do. Whatever happens, the honest one hears only what is meant for it, each thing pressed once and released
 * once; characters come only while the vault has the focus; a burst is bounded; the hostile persona's RAM is its own allocation.
 *
 * In the environment: MVP_RING_OPS=N says the number of ring operations reached and ends after N of them (for soak). */
#include "tests/unit/fixture_input.h"

#include <stdio.h>
#include <unistd.h>

#define STEPS_MAX 3000

enum { HOSTILE, HONEST };
enum { KEYBOARD, TABLET, MULTI };
enum { KEYS, TOUCH };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the honest persona believes. */
static struct {
	struct key_set down;
	bool contact[VINPUT_CONTACTS], pointer;
	uint32_t slot;
	bool open[2]; /* in the middle of a report of that device */
} model;

void lock_char(uint8_t c)
{
	if (focus != INPUT_VAULT || !c)
		abort();
}

void console_log(const char *format, ...)
{
	(void)format;
}

void handset_switch(void)
{
	input_focus(focus == 0);
}

/* One event for the honest persona; quiet: it may hear of releases only. */
static void believe(unsigned device, const struct evdev_event *e, bool quiet)
{
	model.open[device] = e->type != EV_SYN;
	bool on = e->value;
	if (e->type == EV_SYN) {
		if (e->code || e->value)
			abort();
	} else if (device == KEYS) {
		if (e->type != EV_KEY || !e->code || e->code >= VINPUT_KEYS || e->value > 1 || key_get(&model.down, e->code) == on)
			abort();
		if (on && quiet)
			abort();
		key_set(&model.down, e->code, on);
	} else if (e->type == EV_KEY) {
		if (e->code != BTN_TOUCH || model.pointer == on || (on && quiet))
			abort();
		model.pointer = on;
	} else if (e->code == ABS_MT_SLOT) {
		if (e->value >= VINPUT_CONTACTS)
			abort();
		model.slot = e->value;
	} else if (e->code == ABS_MT_TRACKING_ID) {
		bool begins = e->value <= 0xffff;
		if (model.contact[model.slot] == begins || (!begins && e->value != UINT32_MAX) || (begins && quiet))
			abort();
		model.contact[model.slot] = begins;
	} else if (e->code == ABS_MT_POSITION_X || e->code == ABS_X) {
		if (e->value >= WIDTH || (e->code != ABS_X && !model.contact[model.slot]))
			abort();
	} else if (e->code == ABS_MT_POSITION_Y || e->code == ABS_Y) {
		if (e->value >= HEIGHT || (e->code != ABS_Y && !model.contact[model.slot]))
			abort();
	} else {
		abort();
	}
}

static void hear(bool quiet)
{
	struct evdev_event e;
	for (unsigned d = 0; d < 2; d++) {
		while (guest_take(HONEST, d, &e))
			believe(d, &e, quiet);
		if (model.open[d])
			abort();
	}
}

/* All the buffers it has, as often as it takes to be told everything. */
static void hear_all(void)
{
	for (unsigned n = 0; n < 16; n++) {
		for (unsigned d = 0; d < 2; d++)
			guest_offer(HONEST, d, GUEST_QUEUE - (uint16_t)(drivers[HONEST][d].offered - drivers[HONEST][d].seen));
		hear(focus != HONEST);
	}
	if (focus == HONEST)
		return;
	if (model.pointer)
		abort();
	for (unsigned i = 0; i < ARRAY_LEN(model.down.words); i++) {
		if (model.down.words[i])
			abort();
	}
	for (unsigned i = 0; i < VINPUT_CONTACTS; i++) {
		if (model.contact[i])
			abort();
	}
}

static void interrupt_from(unsigned device)
{
	unsigned before = fakes[device].used_from;
	if (!input_irq(INTID + device) || fakes[device].used_from - before > INPUT_BATCH)
		abort();
}

static void physical(const uint8_t *p)
{
	static const uint8_t keys[] = { KEY_LEFTCTRL, KEY_TAB, 30, 31, 42, 58, 14, 22 };
	unsigned device = p[0] % 3;
	switch (p[0] / 3 % 8) {
	case 0:
	case 1:
		emit(KEYBOARD, EV_KEY, p[1] & 0x80 ? p[1] & 0x7f : keys[p[1] % 8], p[2] % 3);
		device = KEYBOARD;
		break;
	case 2:
		emit(TABLET, EV_ABS, p[1] & 1, get_le16(p + 2));
		emit(TABLET, EV_KEY, BTN_LEFT, p[1] >> 1 & 1);
		device = TABLET;
		break;
	case 3:
		emit(MULTI, EV_ABS, ABS_MT_SLOT, p[1] % 12);
		emit(MULTI, EV_ABS, ABS_MT_TRACKING_ID, p[1] & 0x80 ? UINT32_MAX : p[2]);
		emit(MULTI, EV_ABS, ABS_MT_POSITION_X + (p[2] & 1), get_le16(p + 3));
		device = MULTI;
		break;
	case 4: /* every key of the keyboard */
		for (uint16_t code = p[1]; code < p[1] + 60u; code++)
			emit(KEYBOARD, EV_KEY, code, p[2] & 1);
		device = KEYBOARD;
		break;
	case 5:
		if (fakes[device].used_to - fakes[device].used_from < 4000)
			fake_return(device, p[1] & 1 ? p[2] : get_le32(p + 1), p[4]);
		break;
	default:
		emit(device, p[1], get_le16(p + 2), (uint32_t)(int8_t)p[4]);
	}
	if (p[4] & 1)
		emit(device, EV_SYN, SYN_REPORT, 0);
	if (p[4] & 2)
		interrupt_from(device);
}

static void hostile(const uint8_t *p)
{
	uint32_t base = (MVP_SLOT_KEYS + (p[0] & 1)) * MVP_GUEST_VIRTIO_STRIDE, at = get_le16(p + 1);
	switch (p[0] >> 1 & 7) {
	case 0:
		vdev_write(HOSTILE, base + (at % MVP_GUEST_VIRTIO_STRIDE & ~3u), 4, p[3] | (uint32_t)p[4] << 24);
		break;
	case 1:
		vdev_write(HOSTILE, base + at % MVP_GUEST_VIRTIO_STRIDE, 1u << (p[4] & 3), p[3]);
		(void)vdev_read(HOSTILE, base + at % MVP_GUEST_VIRTIO_STRIDE, 1u << (p[4] & 3));
		break;
	case 2:
		memcpy(rams[HOSTILE] + at % (RAM_LEN - 4), p + 1, 4);
		break;
	case 3: /* descriptors and rings */
		memcpy(area(HOSTILE, p[0] & 1, p[4] & 1) + (at % 3 * 0x1000 + at / 3 % 0x40), p + 3, 2);
		break;
	case 4:
		guest_write(HOSTILE, p[0] & 1, 0x50, p[3] & 1);
		(void)guest_read(HOSTILE, p[0] & 1, 0x70);
		break;
	case 5:
		guest_start(HOSTILE, p[0] & 1, (uint16_t)(1u << (p[3] % 7)), p[4] % 65);
		break;
	default:
		if (drivers[HOSTILE][p[0] & 1].num)
			guest_offer(HOSTILE, p[0] & 1, p[3] % 32);
	}
}

static void honest(const uint8_t *p)
{
	unsigned d = p[0] & 1;
	struct driver *driver = &drivers[HONEST][d];
	unsigned room = GUEST_QUEUE - (uint16_t)(driver->offered - driver->seen);
	if (p[0] & 0x20) {
		hear_all();
	} else if (p[0] & 0x10 && p[1] == 0) {
		guest_start(HONEST, d, GUEST_QUEUE, 0);
		if (d == KEYS) {
			memset(&model.down, 0, sizeof(model.down));
		} else {
			memset(model.contact, 0, sizeof(model.contact));
			model.pointer = false;
		}
	} else {
		guest_offer(HONEST, d, p[1] % (room + 1));
	}
}

static void step(const uint8_t *p)
{
	int before = focus;
	switch (p[0] % 8) {
	case 0:
		input_focus((int)(p[1] % 5) - 1);
		break;
	case 1:
		host_time += p[1] * 64u;
		break;
	case 2:
		timer_fired();
		input_tick(host_time);
		break;
	case 3:
		hostile(p + 1);
		break;
	case 4:
		honest(p + 1);
		break;
	case 5:
		interrupt_from(p[1] % 3);
		break;
	default:
		physical(p + 1);
	}
	hear(before != HONEST && focus != HONEST);
}

static void count(void)
{
	static uint64_t limit;
	const char *text = getenv("MVP_RING_OPS");
	limit = limit ? limit : text ? strtoull(text, NULL, 10) : UINT64_MAX;
	if (ring_ops < limit)
		return;
	fprintf(stderr, "vault_input: %llu ring operations\n", (unsigned long long)ring_ops);
	_exit(0); /* libFuzzer takes exit() for a crash */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const fake_config all[] = { fake_keyboard, fake_tablet, fake_multi };
	memset(&model, 0, sizeof(model));
	host_time = 1000000;
	input_setup(3, all);
	host_config.switch_chord[0] = KEY_LEFTCTRL;
	host_config.switch_chord[1] = KEY_TAB;
	for (unsigned n = 0; n < STEPS_MAX && size >= 6; n++, data += 6, size -= 6)
		step(data);
	input_focus(INPUT_VAULT);
	hear_all();
	vinput_unplug(HOSTILE);
	vinput_unplug(HONEST);
	count();
	return 0;
}

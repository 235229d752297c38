/* Input from one end to the other in a host program: virtio-input devices of the board that say what a test wants, and personas whose
 * drivers keep what they are told. Include it instead of vault_host.h. */
#ifndef TESTS_UNIT_FIXTURE_INPUT_H
#define TESTS_UNIT_FIXTURE_INPUT_H

#include "vault_host.h"

/* What the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

/* What looks at the configuration does so anew at each call: in one function the compiler may take a constant for the same as before. */
__attribute__((noinline)) void input_start(void);
__attribute__((noinline)) void input_focus(int who);
__attribute__((noinline)) bool input_irq(uint32_t intid);
__attribute__((noinline)) void input_tick(uint64_t now);

#include "vmm/vault/devices/vinput.h"
__attribute__((noinline)) void vinput_plug(const struct guest *g);

#include "counted_ring.h"
#include "vmm/vault/devices/vdev.c"
#include "vmm/vault/devices/vinput.c"
#include "vmm/vault/drivers/virtio.h"
#include "vmm/vault/drivers/virtio_input.c"
#include "vmm/vault/lib.c"
#include "vmm/vault/timer.c"
#include "vmm/vault/ui/input.c"
#include "vmm/vault/ui/keymap.c"

enum {
	WIDTH = 720,
	HEIGHT = 1280,
	BAR = 40,
	INTID = 48, /* of the board's device 0 */
	TABLET_MAX = 0x7fff,
	MULTI_MAX = 4095,
	QUEUE_OF_STATUS = 1,
};

/* The board */
typedef unsigned (*fake_config)(unsigned select, unsigned subsel, uint8_t *data);

static struct fake {
	fake_config config;
	uint8_t select, subsel;
	uint16_t offered[64]; /* buffers it has, in turn */
	unsigned offered_count;
	struct {
		uint32_t head, len;
	} used[4096];
	unsigned used_from, used_to;
	unsigned acks;
	bool lied; /* gave back what it did not have: now nobody knows what it has */
} fakes[INPUT_DEVICES];
static unsigned fakes_count;

static inline unsigned fake_bits(uint8_t *data, const uint16_t *bits, size_t count)
{
	unsigned len = 0;
	for (size_t i = 0; i < count; i++) {
		data[bits[i] / 8] |= (uint8_t)(1u << (bits[i] % 8));
		if (bits[i] / 8 + 1u > len)
			len = bits[i] / 8 + 1u;
	}
	return len;
}

static inline unsigned fake_axis(uint8_t *data, int32_t min, int32_t max)
{
	memset(data, 0, 20);
	memcpy(data, &min, 4);
	memcpy(data + 4, &max, 4);
	return 20;
}

static inline unsigned fake_name(uint8_t *data, const char *name)
{
	memcpy(data, name, strlen(name) + 1);
	return (unsigned)strlen(name) + 1; /* some count the NUL */
}

static inline unsigned fake_keyboard(unsigned select, unsigned subsel, uint8_t *data)
{
	static const uint16_t keys[] = { 1, 30, 42, 58, 116, 240 };
	if (select == 1)
		return fake_name(data, "Board keyboard");
	return select == 0x11 && subsel == 1 ? fake_bits(data, keys, ARRAY_LEN(keys)) : 0;
}

static inline unsigned fake_tablet(unsigned select, unsigned subsel, uint8_t *data)
{
	static const uint16_t keys[] = { 0x110, 0x111, 0x112 }, abs[] = { 0, 1 };
	if (select == 1)
		return fake_name(data, "Board tablet");
	if (select == 0x12 && subsel <= 1)
		return fake_axis(data, 0, TABLET_MAX);
	if (select == 0x11)
		return subsel == 1 ? fake_bits(data, keys, ARRAY_LEN(keys)) : subsel == 3 ? fake_bits(data, abs, ARRAY_LEN(abs)) : 0;
	return 0;
}

static inline unsigned fake_multi(unsigned select, unsigned subsel, uint8_t *data)
{
	static const uint16_t keys[] = { 0x14a }, abs[] = { 0, 1, 0x2f, 0x35, 0x36, 0x39 };
	if (select == 1)
		return fake_name(data, "Board screen");
	if (select == 0x12)
		return fake_axis(data, 0, subsel == 0x2f ? 15 : subsel == 0x39 ? 65535 : MULTI_MAX);
	if (select == 0x11)
		return subsel == 1 ? fake_bits(data, keys, ARRAY_LEN(keys)) : subsel == 3 ? fake_bits(data, abs, ARRAY_LEN(abs)) : 0;
	return 0;
}

bool virtio_find(uint32_t device_id, unsigned nth, struct virtio *ret_dev)
{
	if (device_id != 18 || nth >= fakes_count)
		return false;
	*ret_dev = (struct virtio){ nth, INTID + nth };
	return true;
}

bool virtio_begin(const struct virtio *v, uint64_t wanted, uint64_t *ret_features)
{
	(void)v;
	*ret_features = wanted;
	return true;
}

void virtio_go(const struct virtio *v)
{
	(void)v;
}

uint32_t virtio_ack(const struct virtio *v)
{
	fakes[v->base].acks++;
	return 1;
}

uint8_t virtio_config8(const struct virtio *v, uint32_t at)
{
	const struct fake *f = &fakes[v->base];
	uint8_t data[256] = { 0 };
	unsigned len = f->config(f->select, f->subsel, data);
	if (at >= 8 + VIRTIO_INPUT_DATA_MAX)
		abort();
	return at == 2 ? (uint8_t)len : at >= 8 ? data[at - 8] : 0;
}

void virtio_config8_write(const struct virtio *v, uint32_t at, uint8_t value)
{
	if (at > 1)
		abort();
	*(at ? &fakes[v->base].subsel : &fakes[v->base].select) = value;
}

bool vq_start(struct vq *q, const struct virtio *v, uint32_t index, uint16_t max, struct vq_desc *desc, uint16_t *avail, uint32_t *used)
{
	*q = (struct vq){ .dev = *v, .index = index, .num = max, .desc = desc, .avail = avail, .used = used };
	return index == 0;
}

void vq_offer(struct vq *q, uint16_t head)
{
	struct fake *f = &fakes[q->dev.base];
	bool twice = f->offered_count == ARRAY_LEN(f->offered);
	for (unsigned i = 0; i < f->offered_count; i++)
		twice |= f->offered[i] == head;
	if (head >= q->num || (twice && !f->lied))
		abort();
	if (!twice)
		f->offered[f->offered_count++] = head;
}

void vq_notify(struct vq *q)
{
	(void)q;
}

bool vq_completed(struct vq *q, uint32_t *ret_head, uint32_t *ret_len)
{
	struct fake *f = &fakes[q->dev.base];
	if (f->used_from == f->used_to)
		return false;
	unsigned at = f->used_from++ % ARRAY_LEN(f->used);
	*ret_head = f->used[at].head;
	*ret_len = f->used[at].len;
	return true;
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

/* The device returns a buffer, whatever it is. */
static inline void fake_return(unsigned device, uint32_t head, uint32_t len)
{
	struct fake *f = &fakes[device];
	unsigned at = f->used_to++ % ARRAY_LEN(f->used), i = 0;
	f->used[at].head = head;
	f->used[at].len = len;
	while (i < f->offered_count && f->offered[i] != head)
		i++;
	if (i == f->offered_count) {
		f->lied = true;
		return;
	}
	f->offered_count--;
	memmove(f->offered + i, f->offered + i + 1, (f->offered_count - i) * sizeof(f->offered[0]));
}

/* One event, without the interrupt. False if the device has no buffer left. */
static inline bool emit(unsigned device, uint16_t type, uint16_t code, uint32_t value)
{
	struct fake *f = &fakes[device];
	struct evdev_event e = { type, code, value };
	if (!f->offered_count)
		return false;
	uint16_t head = f->offered[0];
	memcpy((void *)(uintptr_t)devices[device].queue.desc[head].at, &e, sizeof(e));
	fake_return(device, head, 8);
	return true;
}

/* The personas */
enum {
	GUEST_QUEUE = 64,
	AREA = 0x4000, /* of one queue: descriptors, available ring, used ring, buffers */
	AVAIL_AT = 0x1000,
	USED_AT = 0x2000,
	DATA_AT = 0x3000,
	RAM_LEN = 4 * AREA,
};

static uint8_t *rams[MVP_MAX_PERSONAS]; /* RAM_LEN each: an access beside it is seen */

/* Keyboard is 0, touch screen 1. */
static struct driver {
	uint16_t num, offered, seen;
} drivers[MVP_MAX_PERSONAS][2];

static inline void guest_write(unsigned persona, unsigned device, uint32_t at, uint32_t value)
{
	vdev_write(persona, (MVP_SLOT_KEYS + device) * MVP_GUEST_VIRTIO_STRIDE + at, 4, value);
}

static inline uint32_t guest_read(unsigned persona, unsigned device, uint32_t at)
{
	return (uint32_t)vdev_read(persona, (MVP_SLOT_KEYS + device) * MVP_GUEST_VIRTIO_STRIDE + at, 4);
}

static inline uint8_t *area(unsigned persona, unsigned device, unsigned queue)
{
	return rams[persona] + (2 * device + queue) * AREA;
}

static inline uint64_t area_ipa(unsigned device, unsigned queue)
{
	return MVP_GUEST_RAM + (2 * device + queue) * AREA;
}

static inline void put_desc(uint8_t *at, uint64_t address, uint32_t len, uint16_t flags, uint16_t next)
{
	memcpy(at, &address, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &flags, 2);
	memcpy(at + 14, &next, 2);
}

static inline void guest_offer_head(unsigned persona, unsigned device, uint16_t head)
{
	struct driver *d = &drivers[persona][device];
	uint8_t *avail = area(persona, device, 0) + AVAIL_AT;
	memcpy(avail + 4 + 2u * (d->offered % d->num), &head, 2);
	d->offered++;
	memcpy(avail + 2, &d->offered, 2);
}

/* Gives the device so many buffers of 8 bytes more. */
static inline void guest_offer(unsigned persona, unsigned device, unsigned count)
{
	struct driver *d = &drivers[persona][device];
	for (; count; count--) {
		uint16_t head = d->offered % d->num;
		put_desc(area(persona, device, 0) + 16 * head, area_ipa(device, 0) + DATA_AT + 8 * head, 8, 2, 0);
		guest_offer_head(persona, device, head);
	}
	guest_write(persona, device, 0x50, 0);
}

static inline void guest_queue(unsigned persona, unsigned device, unsigned queue, uint16_t num)
{
	guest_write(persona, device, 0x30, queue);
	guest_write(persona, device, 0x38, num);
	for (unsigned i = 0; i < 3; i++) {
		guest_write(persona, device, 0x80 + 0x10 * i, (uint32_t)area_ipa(device, queue) + 0x1000 * i);
		guest_write(persona, device, 0x84 + 0x10 * i, 0);
	}
	guest_write(persona, device, 0x44, 1);
}

/* The persona's driver starts, with a queue of num events and as many buffers as said. */
static inline void guest_start(unsigned persona, unsigned device, uint16_t num, unsigned buffers)
{
	guest_write(persona, device, 0x70, 0);
	guest_write(persona, device, 0x70, 3);
	guest_write(persona, device, 0x24, 1);
	guest_write(persona, device, 0x20, 1);
	guest_write(persona, device, 0x70, 11);
	memset(area(persona, device, 0), 0, AREA);
	memset(area(persona, device, 1), 0, AREA);
	guest_queue(persona, device, 0, num);
	guest_queue(persona, device, QUEUE_OF_STATUS, num);
	drivers[persona][device] = (struct driver){ .num = num };
	guest_write(persona, device, 0x70, 15);
	guest_offer(persona, device, buffers);
}

/* The next event that it was told; false if there is none. The buffer is not offered again. */
static inline bool guest_take(unsigned persona, unsigned device, struct evdev_event *ret_event)
{
	struct driver *d = &drivers[persona][device];
	const uint8_t *used = area(persona, device, 0) + USED_AT;
	if (get_le16(used + 2) == d->seen)
		return false;
	uint32_t head = get_le32(used + 4 + 8u * (d->seen % d->num));
	if (head >= d->num || get_le32(used + 8 + 8u * (d->seen % d->num)) != 8)
		abort();
	d->seen++;
	memcpy(ret_event, area(persona, device, 0) + DATA_AT + 8 * head, 8);
	return true;
}

/* Everything as after power-on: so many devices, two personas whose drivers run, the first has the focus. */
static inline void input_setup(unsigned count, const fake_config *configs)
{
	memset(fakes, 0, sizeof(fakes));
	memset(devices, 0, sizeof(devices));
	memset(sources, 0, sizeof(sources));
	memset(host_irqs, 0, sizeof(host_irqs));
	memset(keyboards, 0, sizeof(keyboards));
	memset(touches, 0, sizeof(touches));
	memset(armed, 0, sizeof(armed));
	sources_count = 0;
	focus = INPUT_VAULT;
	switched = false;
	fakes_count = count;
	for (unsigned i = 0; i < count; i++)
		fakes[i].config = configs[i];
	host_config = (struct mvp_vault_config){
		.personas = 2, .display = MVP_DISPLAY_RAMFB, .width = WIDTH, .height = HEIGHT, .bar_height = BAR
	};
	for (unsigned p = 0; p < 2; p++) {
		rams[p] = rams[p] ? rams[p] : aligned_alloc(4096, RAM_LEN);
		if (!rams[p])
			abort();
		vinput_plug(&(struct guest){ p, &host_config.persona[p], NULL, &(struct ram){ rams[p], RAM_LEN } });
		for (unsigned d = 0; d < 2; d++)
			guest_start(p, d, GUEST_QUEUE, GUEST_QUEUE);
	}
	input_start();
	input_focus(0);
}

#endif

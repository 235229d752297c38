/* The driver's side of a persona's virtio devices in a host program: RAM, queues laid out in it, chains given and got back. Include it
 * instead of vault_host.h. */
#ifndef TESTS_UNIT_FIXTURE_GUEST_H
#define TESTS_UNIT_FIXTURE_GUEST_H

#include <stdio.h>
#include <unistd.h>

#include "vault_host.h"

/* What the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "counted_ring.h"
#define get vdev_get /* statics of files that are compiled together */
#include "vmm/vault/devices/vdev.c"
#undef get
#include "vmm/vault/lib.c"
#include "vmm/vault/timer.c"

#ifndef GUEST_RAM
#define GUEST_RAM 0x100000u
#endif
#define GUEST_QUEUES 8
#define GUEST_QUEUE_AT 0x1000u /* a page for each queue: descriptors, then avail at 0x800, then used at 0xa00 */
#define GUEST_DATA_AT 0x11000u /* for the test to use */
#define STATUS_REG 0x70

static uint8_t *guest_ram[MVP_MAX_PERSONAS];

/* What the driver knows of a queue. */
static struct guest_queue {
	uint16_t num, desc, avail, used;
} guest_queue[MVP_MAX_PERSONAS][MVP_GUEST_VIRTIO_SLOTS][GUEST_QUEUES];

struct piece {
	uint32_t at, len; /* in RAM */
	bool write;
};

static inline void guest_memory(void)
{
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		free(guest_ram[p]);
		guest_ram[p] = aligned_alloc(4096, GUEST_RAM);
		if (!guest_ram[p])
			abort();
		memset(guest_ram[p], 0, GUEST_RAM);
	}
}

static inline uint8_t *guest_queue_at(unsigned p, unsigned slot, unsigned q)
{
	return guest_ram[p] + GUEST_QUEUE_AT * (1 + q + (slot == MVP_SLOT_CONSOLE ? 0 : GUEST_QUEUES));
}

static inline uint32_t guest_read(unsigned p, unsigned slot, uint32_t at)
{
	return (uint32_t)vdev_read(p, slot * MVP_GUEST_VIRTIO_STRIDE + at, 4);
}

static inline void guest_write(unsigned p, unsigned slot, uint32_t at, uint32_t value)
{
	vdev_write(p, slot * MVP_GUEST_VIRTIO_STRIDE + at, 4, value);
}

/* Reset, negotiation and all queues; returns the status. */
static inline uint32_t guest_start(unsigned p, unsigned slot, uint32_t features, unsigned queues)
{
	const uint32_t begin[][2] = { { STATUS_REG, 0 }, { STATUS_REG, 3 }, { 0x24, 0 },       { 0x20, features },
				      { 0x24, 1 },       { 0x20, 1 },       { STATUS_REG, 11 } };
	for (size_t i = 0; i < ARRAY_LEN(begin); i++)
		guest_write(p, slot, begin[i][0], begin[i][1]);
	for (unsigned q = 0; q < queues; q++) {
		uint32_t at = MVP_GUEST_RAM + (uint32_t)(guest_queue_at(p, slot, q) - guest_ram[p]);
		memset(guest_queue_at(p, slot, q), 0, GUEST_QUEUE_AT);
		guest_write(p, slot, 0x30, q);
		uint32_t num = guest_read(p, slot, 0x34);
		const uint32_t set[][2] = { { 0x38, num }, { 0x80, at },         { 0x84, 0 }, { 0x90, at + 0x800 },
					    { 0x94, 0 },   { 0xa0, at + 0xa00 }, { 0xa4, 0 }, { 0x44, 1 } };
		for (size_t i = 0; i < ARRAY_LEN(set); i++)
			guest_write(p, slot, set[i][0], set[i][1]);
		guest_queue[p][slot][q] = (struct guest_queue){ .num = (uint16_t)num };
	}
	guest_write(p, slot, STATUS_REG, 15);
	return guest_read(p, slot, STATUS_REG);
}

/* Makes a chain available, without a notification; returns its head. */
static inline uint16_t guest_offer(unsigned p, unsigned slot, unsigned q, const struct piece *pieces, unsigned count)
{
	struct guest_queue *g = &guest_queue[p][slot][q];
	uint8_t *at = guest_queue_at(p, slot, q);
	uint16_t head = g->desc % g->num;
	for (unsigned i = 0; i < count; i++) {
		uint16_t index = g->desc++ % g->num, next = g->desc % g->num;
		uint16_t flags = (uint16_t)((i + 1 < count) | (pieces[i].write ? 2 : 0));
		uint64_t address = MVP_GUEST_RAM + pieces[i].at;
		memcpy(at + 16 * index, &address, 8);
		memcpy(at + 16 * index + 8, &pieces[i].len, 4);
		memcpy(at + 16 * index + 12, &flags, 2);
		memcpy(at + 16 * index + 14, &next, 2);
	}
	memcpy(at + 0x804 + 2u * (g->avail++ % g->num), &head, 2);
	memcpy(at + 0x802, &g->avail, 2);
	return head;
}

static inline void guest_notify(unsigned p, unsigned slot, unsigned q)
{
	guest_write(p, slot, 0x50, q);
}

/* The next chain that came back: its head and length. False if there is none. */
static inline bool guest_used(unsigned p, unsigned slot, unsigned q, uint16_t *ret_head, uint32_t *ret_len)
{
	struct guest_queue *g = &guest_queue[p][slot][q];
	const uint8_t *at = guest_queue_at(p, slot, q) + 0xa00;
	if (get_le16(at + 2) == g->used)
		return false;
	const uint8_t *entry = at + 4 + 8u * (g->used++ % g->num);
	*ret_head = (uint16_t)get_le32(entry);
	*ret_len = get_le32(entry + 4);
	return true;
}

static inline unsigned guest_used_count(unsigned p, unsigned slot, unsigned q)
{
	uint16_t head;
	uint32_t len;
	unsigned n = 0;
	while (guest_used(p, slot, q, &head, &len))
		n++;
	return n;
}

/* For a fuzz target, before each input: MVP_RING_OPS=N in the environment says the number of ring operations reached and ends after N of
 * them (for soak). */
static inline void guest_count(const char *name)
{
	static uint64_t limit;
	const char *text = getenv("MVP_RING_OPS");
	limit = limit ? limit : text ? strtoull(text, NULL, 10) : UINT64_MAX;
	if (ring_ops < limit)
		return;
	fprintf(stderr, "%s: %llu ring operations\n", name, (unsigned long long)ring_ops);
	_exit(0); /* libFuzzer takes exit() for a crash */
}

/* One thing of a hostile driver, made of 8 bytes p of a fuzzer's input: registers, RAM, the queues' own areas, or a chain that is as it
 * should be, so that a script need not find the whole form by itself. */
static inline void guest_fuzz(unsigned persona, unsigned slot, unsigned queues, const uint8_t *p)
{
	uint16_t at = get_le16(p + 1);
	uint8_t *ram = guest_ram[persona];
	unsigned q = p[1] % queues;
	struct piece pieces[3];
	switch (p[0] % 8) {
	case 0:
		guest_write(persona, slot, at % MVP_GUEST_VIRTIO_STRIDE & ~3u, p[3] | (uint32_t)p[4] << 8 | (uint32_t)p[5] << 24);
		break;
	case 1:
		(void)vdev_read(persona, slot * MVP_GUEST_VIRTIO_STRIDE + at % MVP_GUEST_VIRTIO_STRIDE, 1u << (p[3] & 3));
		break;
	case 2:
		memcpy(ram + GUEST_DATA_AT + at % 0x1000, p + 3, 5);
		break;
	case 3:
		memcpy(guest_queue_at(persona, slot, q) + at % (GUEST_QUEUE_AT - 5), p + 3, 5);
		break;
	case 4:
		guest_start(persona, slot, p[2] & 1 ? guest_read(persona, slot, 0x10) : p[3], queues);
		break;
	case 5:
		guest_notify(persona, slot, q);
		break;
	default:
		for (unsigned i = 0; i < 3; i++)
			pieces[i] = (struct piece){ GUEST_DATA_AT + p[2] * 16u + p[3 + i] * 8u, p[3 + i] * (p[6] & 1 ? 1u : 13u),
						    i >= p[7] % 4 };
		if (guest_queue[persona][slot][q].num)
			guest_offer(persona, slot, q, pieces, 1 + p[6] / 2 % 3);
		if (p[6] & 0x80)
			guest_notify(persona, slot, q);
	}
}

#endif

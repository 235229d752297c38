#include "ring.h"

#define DESC_LEN 16
#define DESC_NEXT 1
#define DESC_WRITE 2
#define AVAIL_NO_INTERRUPT 1

/* Shared memory: one access each, little endian like the CPU. */
static uint16_t load16(const uint8_t *at)
{
	return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED);
}

static void store16(void *at, uint16_t v)
{
	uint16_t *p = at;
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static void store32(void *at, uint32_t v)
{
	uint32_t *p = at;
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

bool ring_start(struct ring *r, const struct ram *ram)
{
	r->ready = false;
	if (!r->num || r->num > RING_MAX || (r->num & (r->num - 1)))
		return false;
	if (r->desc.v % 16 || r->driver.v % 2 || r->device.v % 4)
		return false;
	r->desc_va = ram_at(ram, r->desc, (uint64_t)DESC_LEN * r->num);
	r->driver_va = ram_at(ram, r->driver, 4 + 2ull * r->num);
	r->device_va = ram_at(ram, r->device, 4 + 8ull * r->num);
	if (!r->desc_va || !r->driver_va || !r->device_va)
		return false;
	r->next_avail = 0;
	r->next_used = 0;
	r->ready = true;
	return true;
}

struct desc {
	ipa_t at;
	uint32_t len;
	uint16_t flags, next;
};

static struct desc read_desc(const struct ring *r, uint16_t index)
{
	const uint64_t *p = (const uint64_t *)(const void *)(r->desc_va + (size_t)index * DESC_LEN);
	uint64_t low = __atomic_load_n(p, __ATOMIC_RELAXED);
	uint64_t high = __atomic_load_n(p + 1, __ATOMIC_RELAXED);
	return (struct desc){ { low }, (uint32_t)high, (uint16_t)(high >> 32), (uint16_t)(high >> 48) };
}

enum ring_got ring_pop(struct ring *r, const struct ram *ram, struct ring_chain *ret_chain)
{
	struct ring_chain *c = ret_chain;
	uint16_t waiting = (uint16_t)(load16(r->driver_va + 2) - r->next_avail);
	if (!waiting)
		return RING_EMPTY;
	if (waiting > r->num)
		return RING_BROKEN;
	/* The index was read; entry and descriptors were written before it. */
	arch_dmb_guest();
	uint16_t index = load16(r->driver_va + 4 + 2 * (size_t)(r->next_avail & (r->num - 1)));
	r->next_avail++;

	c->head = index;
	c->count = 0;
	for (;;) {
		/* A chain longer than the queue has a loop in it. */
		if (index >= r->num || c->count == r->num)
			return RING_BROKEN;
		struct desc d = read_desc(r, index);
		bool write = d.flags & DESC_WRITE;
		uint8_t *at = ram_at(ram, d.at, d.len);
		/* Neither INDIRECT nor anything else was negotiated. */
		if (!at || (d.flags & ~(DESC_NEXT | DESC_WRITE)))
			return RING_BROKEN;
		if (!write && c->count && c->buffer[c->count - 1].write)
			return RING_BROKEN;
		c->buffer[c->count++] = (struct ring_buffer){ at, d.len, write };
		if (!(d.flags & DESC_NEXT))
			return RING_CHAIN;
		index = d.next;
	}
}

bool ring_push(struct ring *r, uint16_t head, uint32_t written)
{
	uint8_t *entry = r->device_va + 4 + 8 * (size_t)(r->next_used & (r->num - 1));
	store32(entry, head);
	store32(entry + 4, written);
	/* Data and entry before the index that shows them. */
	arch_dmb_guest();
	store16(r->device_va + 2, ++r->next_used);
	/* The index before the read of the flag: the driver sets the flag's opposite, then looks at the index again. */
	arch_dmb_guest();
	return !(load16(r->driver_va) & AVAIL_NO_INTERRUPT);
}

/* The split virtqueue of a persona (virtio 1.2, section 2.7), seen from the device. Everything in it is hostile and may change at any
 * time: each field is read once, each address goes through ram_at(). */
#ifndef VAULT_RING_H
#define VAULT_RING_H

#include "../lib.h"
#include "mvp/machine.h"

#define RING_MAX 128

/* A persona's RAM: size bytes at base, which the persona sees at MVP_GUEST_RAM. */
struct ram {
	uint8_t *base;
	uint64_t size;
};
/* Where [at, at + len) of the persona lies, or NULL if any byte of it is not RAM. */
static inline uint8_t *ram_at(const struct ram *r, ipa_t at, uint64_t len)
{
	if (at.v < MVP_GUEST_RAM || !range_in(at.v - MVP_GUEST_RAM, len, r->size))
		return NULL;
	return r->base + (at.v - MVP_GUEST_RAM);
}

struct ring {
	uint16_t num; /* a power of two up to RING_MAX, or what the persona wrote: checked by ring_start() */
	bool ready;
	ipa_t desc, driver, device;               /* addresses the persona wrote */
	uint8_t *desc_va, *driver_va, *device_va; /* set while ready */
	uint16_t next_avail, next_used;
};

struct ring_buffer {
	uint8_t *at;
	uint32_t len;
	bool write; /* by the device */
};

/* One request: the descriptors of a chain in order, all inside RAM. Readable ones come before writable ones. */
struct ring_chain {
	uint16_t head;
	uint16_t count;
	struct ring_buffer buffer[RING_MAX];
};

/* Takes num and the addresses into use; false (and not ready) if they break the rules. */
bool ring_start(struct ring *r, const struct ram *ram);

enum ring_got { RING_EMPTY, RING_CHAIN, RING_BROKEN };
/* RING_BROKEN: the persona broke the rules; nothing more can be said about the queue. */
enum ring_got ring_pop(struct ring *r, const struct ram *ram, struct ring_chain *ret_chain);

/* Gives a chain back with `written` bytes. Returns true if the persona wants an interrupt for it. */
bool ring_push(struct ring *r, uint16_t head, uint32_t written);

#endif

/* ring.c, with every operation on a ring counted: chains taken, refused and given back; looks into an empty ring are not. Include it in
 * front of the files that use rings. */
#ifndef TESTS_UNIT_COUNTED_RING_H
#define TESTS_UNIT_COUNTED_RING_H

#include "vault_host.h"

#include "vmm/vault/devices/ring.c"

static uint64_t ring_ops;

static inline enum ring_got counted_pop(struct ring *r, const struct ram *ram, struct ring_chain *ret_chain)
{
	enum ring_got got = ring_pop(r, ram, ret_chain);
	ring_ops += got != RING_EMPTY;
	return got;
}

static inline bool counted_push(struct ring *r, uint16_t head, uint32_t written)
{
	ring_ops++;
	return ring_push(r, head, written);
}

#define ring_pop counted_pop
#define ring_push counted_push

#endif

/* virtio-mmio, version 2, the device's side (virtio 1.2, sections 2 and 4.2): registers, feature negotiation, queues and the interrupt are
 * the same for every model; a model adds its configuration and what it does with chains. All that a persona writes is hostile.
 *
 * Locks: the device's lock covers its registers. Each queue has a lock that is held while its ring is worked on, so that vCPUs can use
 * different queues of a device at once. Order: device -> queue -> what the model has of its own; the line's lock is innermost. */
#ifndef VAULT_VDEV_H
#define VAULT_VDEV_H

#include "ring.h"

#define VDEV_QUEUES 10 /* of one device at most */
#define VDEV_VERSION_1 (1ull << 32)

struct vdev;

struct vdev_model {
	uint32_t device_id; /* virtio 1.2, section 5 */
	uint16_t queue_max; /* entries of each queue: a power of two up to RING_MAX */
	/* There may be chains in the queue, which is live: the persona rang, or began. Queue's lock held. */
	void (*notify)(struct vdev *d, unsigned queue);
	/* The queue stopped: what was taken from it goes nowhere. Queue's lock held. NULL: the model keeps nothing. */
	void (*stopped)(struct vdev *d, unsigned queue);
	/* Whether something of an earlier life can still touch the persona's RAM. Device's lock held. NULL: never. */
	bool (*busy)(struct vdev *d);
	/* Write to the configuration; at + width <= config_len. Device's lock held. NULL: it is read-only. */
	void (*config_write)(struct vdev *d, uint32_t at, unsigned width, uint64_t value);
};

struct vqueue {
	struct ring ring;
	struct spinlock *lock; /* own_lock, unless the model has set another before vdev_plug() */
	struct spinlock own_lock;
	uint32_t generation; /* changes when the queue stops: a chain taken in an older one must not be given back */
};

/* Static memory of the model, zero at first. The model sets the first group before vdev_plug(). */
struct vdev {
	const struct vdev_model *model;
	uint64_t features;     /* offered besides VERSION_1 */
	uint32_t queues;       /* 1..VDEV_QUEUES */
	const uint8_t *config; /* device-specific configuration; changes under the device's lock only */
	uint32_t config_len;

	unsigned persona, slot;
	struct ram ram;
	struct spinlock lock, line_lock;
	struct vqueue queue[VDEV_QUEUES];
	uint64_t driver_features;
	uint32_t device_features_sel, driver_features_sel, queue_sel, config_generation;
	uint32_t status, interrupts; /* atomic */
	uint32_t old_status;         /* reads instead of 0 after a reset, until the model is no longer busy */
	bool line;
};

/* Puts the device into a slot of a persona that does not run: reset, whatever its last life left. ram is copied. */
void vdev_plug(struct vdev *d, unsigned persona, unsigned slot, const struct ram *ram);
void vdev_unplug(struct vdev *d); /* resets it; what is in flight finishes by itself, see busy */
bool vdev_busy(struct vdev *d);

/* The rest wants the queue's lock held. */
void vdev_queue_lock(struct vdev *d, unsigned queue);
void vdev_queue_unlock(struct vdev *d, unsigned queue);
/* The persona has begun (DRIVER_OK) and the queue is in use. */
bool vdev_live(const struct vdev *d, unsigned queue);
bool vdev_has(const struct vdev *d, uint64_t feature); /* negotiated */
/* The next chain of a live queue; false if there is none. A persona that breaks the rules gets DEVICE_NEEDS_RESET and no more chains. */
bool vdev_pop(struct vdev *d, unsigned queue, struct ring_chain *ret_chain);
void vdev_push(struct vdev *d, unsigned queue, uint16_t head, uint32_t written); /* interrupts at the next vdev_signal() */
void vdev_broken(struct vdev *d);                                                /* the model saw a rule broken: DEVICE_NEEDS_RESET */
/* Brings the interrupt line up to date: once after a batch. Any lock may be held, or none. */
void vdev_signal(struct vdev *d);

/* The configuration changed; the device's lock is held. */
void vdev_config_changed(struct vdev *d);

/* A chain for the time until the vault waits again: each CPU has one. */
struct ring_chain *vdev_scratch(void);

/* Copies between a chain and flat memory, at most len bytes from the at'th byte of the part that the device reads (out) or writes (in);
 * returns the bytes copied. The persona may change its memory meanwhile: copy once, then look. */
size_t vdev_copy_out(const struct ring_chain *c, size_t at, void *to, size_t len);
size_t vdev_copy_in(const struct ring_chain *c, size_t at, const void *from, size_t len);
/* Sums of both parts, bytes. */
void vdev_chain_len(const struct ring_chain *c, uint64_t *ret_out, uint64_t *ret_in);

/* Accesses in the virtio-mmio range of a persona; at counts from MVP_GUEST_VIRTIO, width is 1, 2, 4 or 8. Slots without a device answer
 * DeviceID 0. */
uint64_t vdev_read(unsigned persona, uint32_t at, unsigned width);
void vdev_write(unsigned persona, uint32_t at, unsigned width, uint64_t value);

#endif

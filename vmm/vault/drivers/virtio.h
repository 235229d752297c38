/* Driver side of virtio-mmio, version 2 (virtio 1.2, sections 2.7 and 4.2): the physical devices of a board that has them. */
#ifndef VAULT_DRIVERS_VIRTIO_H
#define VAULT_DRIVERS_VIRTIO_H

#include "../lib.h"

#define VIRTIO_ID_NET 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_ENTROPY 4
#define VIRTIO_ID_INPUT 18

struct virtio {
	uintptr_t base;
	uint32_t intid;
};

/* The nth transport, from 0, with this device; false if there is none. Says so on the console when one speaks the legacy version only. */
bool virtio_find(uint32_t device_id, unsigned nth, struct virtio *ret_dev);

/* Resets the device and negotiates: wanted features are optional, VERSION_1 is not. False if it refuses. */
bool virtio_begin(const struct virtio *v, uint64_t wanted, uint64_t *ret_features);
void virtio_go(const struct virtio *v);      /* DRIVER_OK */
uint32_t virtio_ack(const struct virtio *v); /* reads and acknowledges the interrupt status */
uint8_t virtio_config8(const struct virtio *v, uint32_t at);
void virtio_config8_write(const struct virtio *v, uint32_t at, uint8_t value);
uint32_t virtio_config32(const struct virtio *v, uint32_t at);
uint64_t virtio_config64(const struct virtio *v, uint32_t at);

struct vq_desc {
	uint64_t at;
	uint32_t len;
	uint16_t flags, next;
};
#define VQ_NEXT 1
#define VQ_WRITE 2
#define VQ_INDIRECT 4 /* if the feature was negotiated */

/* Memory of a queue of n entries, for DMA: in the vault's own memory. */
#define VQ_MEMORY(n) \
	struct { \
		struct vq_desc desc[n]; \
		uint16_t avail[2 + (n)]; \
		uint32_t used[1 + 2 * (n)]; \
	} __attribute__((aligned(16)))

struct vq {
	struct virtio dev;
	uint32_t index;
	uint16_t num;
	struct vq_desc *desc;
	volatile uint16_t *avail; /* flags, index, ring */
	volatile uint32_t *used;  /* flags | index << 16, then {id, len} */
	uint16_t next_avail, next_used;
};

/* Sets up the device's queue of that index with at most max entries (a power of two); the memory was made for max. False if the device has
 * no such queue. */
bool vq_start(struct vq *q, const struct virtio *v, uint32_t index, uint16_t max, struct vq_desc *desc, uint16_t *avail, uint32_t *used);
/* Hands a chain over: vq_offer() any number of times, then vq_notify(); or vq_submit(), which is both. */
void vq_offer(struct vq *q, uint16_t head);
void vq_notify(struct vq *q);
void vq_submit(struct vq *q, uint16_t head);
/* Takes one out of the used ring: what the device says is its head and the bytes written, either of which may be anything. */
bool vq_completed(struct vq *q, uint32_t *ret_head, uint32_t *ret_len);

#endif

/* The network from one end to the other in a host program: a network device of the board that a test speaks for, and personas' drivers.
 * Include it instead of vault_host.h. */
#ifndef TESTS_UNIT_FIXTURE_NET_H
#define TESTS_UNIT_FIXTURE_NET_H

#include "fixture_guest.h"

#include "vmm/vault/devices/vnet.c"
#include "vmm/vault/drivers/virtio.h"
#include "vmm/vault/drivers/virtio_net.c"

/* What the switch gives to whom; a test may look at it. */
static void (*on_deliver)(unsigned persona, const uint8_t *frame, size_t len);

static bool watched_deliver(unsigned persona, const uint8_t *frame, size_t len)
{
	if (on_deliver)
		on_deliver(persona, frame, len);
	return net_deliver(persona, frame, len);
}

#define net_deliver watched_deliver
#include "vmm/vault/net.c"
#undef net_deliver

#define NIC_INTID 50
#define NIC_LOG 4096
#define NIC_FEATURES (1ull << 5 | 1ull << 16)

/* The board's device */
static struct {
	bool there;
	uint64_t features;
	uint8_t config[8];
	uint16_t queue_max;
	struct nic_queue {
		struct vq *vq;
		uint16_t offered[NIC_SLOTS]; /* what it has, in turn */
		unsigned offered_count, notified;
		struct {
			uint32_t head, len;
		} used[NIC_LOG];
		unsigned used_from, used_to;
		bool lied; /* gave back what it did not have: now nobody knows what it has */
	} queue[2];
	unsigned acks;
	/* What was sent */
	struct {
		uint8_t frame[NET_FRAME_MAX];
		size_t len;
	} sent[NIC_LOG];
	unsigned sent_count;
} nic;

static unsigned nic_lines; /* of the console */

void console_log(const char *format, ...)
{
	(void)format;
	nic_lines++;
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

bool virtio_find(uint32_t device_id, unsigned nth, struct virtio *ret_dev)
{
	*ret_dev = (struct virtio){ 0, NIC_INTID };
	return nic.there && device_id == VIRTIO_ID_NET && !nth;
}

bool virtio_begin(const struct virtio *v, uint64_t wanted, uint64_t *ret_features)
{
	(void)v;
	*ret_features = nic.features & wanted;
	return true;
}

void virtio_go(const struct virtio *v)
{
	(void)v;
}

uint32_t virtio_ack(const struct virtio *v)
{
	(void)v;
	nic.acks++;
	return 1;
}

uint32_t virtio_config32(const struct virtio *v, uint32_t at)
{
	(void)v;
	return get_le32(nic.config + at);
}

bool vq_start(struct vq *q, const struct virtio *v, uint32_t index, uint16_t max, struct vq_desc *desc, uint16_t *avail, uint32_t *used)
{
	*q = (struct vq){
		.dev = *v, .index = index, .num = max < nic.queue_max ? max : nic.queue_max, .desc = desc, .avail = avail, .used = used
	};
	nic.queue[index].vq = q;
	return nic.queue_max != 0;
}

void vq_offer(struct vq *q, uint16_t head)
{
	struct nic_queue *n = &nic.queue[q->index];
	if (head >= q->num || (!n->lied && n->offered_count >= q->num))
		abort();
	if (n->offered_count < NIC_SLOTS)
		n->offered[n->offered_count++] = head;
}

void vq_notify(struct vq *q)
{
	nic.queue[q->index].notified++;
}

bool vq_completed(struct vq *q, uint32_t *ret_head, uint32_t *ret_len)
{
	struct nic_queue *n = &nic.queue[q->index];
	if (n->used_from == n->used_to)
		return false;
	*ret_head = n->used[n->used_from % NIC_LOG].head;
	*ret_len = n->used[n->used_from++ % NIC_LOG].len;
	return true;
}

static inline void nic_complete(unsigned queue, uint32_t head, uint32_t len)
{
	struct nic_queue *n = &nic.queue[queue];
	if (n->used_to - n->used_from == NIC_LOG)
		return;
	n->used[n->used_to % NIC_LOG].head = head;
	n->used[n->used_to++ % NIC_LOG].len = len;
}

static inline uint16_t nic_take(unsigned queue)
{
	struct nic_queue *n = &nic.queue[queue];
	uint16_t head = n->offered[0];
	memmove(n->offered, n->offered + 1, --n->offered_count * sizeof(n->offered[0]));
	return head;
}

static inline bool nic_interrupts(unsigned queue)
{
	return !(nic.queue[queue].vq->avail[0] & 1);
}

/* The vault hears of what the device did. */
static inline void nic_interrupt(void)
{
	if (!net_irq(NIC_INTID))
		abort();
}

/* A frame comes from the wire; false if the device has no buffer. No interrupt yet. */
static inline bool nic_wire(const uint8_t *frame, size_t len)
{
	if (!nic.queue[QUEUE_RX].offered_count)
		return false;
	uint16_t head = nic_take(QUEUE_RX);
	const struct vq_desc *d = &nic.queue[QUEUE_RX].vq->desc[head];
	if (!(d->flags & VQ_WRITE) || d->len < HEADER_LEN + len)
		abort();
	memcpy((uint8_t *)(uintptr_t)d->at + HEADER_LEN, frame, len);
	nic_complete(QUEUE_RX, head, (uint32_t)(HEADER_LEN + len));
	return true;
}

/* Sends at most count of the frames it was given, without an interrupt; returns how many. */
static inline unsigned nic_send(unsigned count)
{
	unsigned n = 0;
	for (; n < count && nic.queue[QUEUE_TX].offered_count; n++) {
		static const uint8_t no_offload[HEADER_LEN];
		uint16_t head = nic_take(QUEUE_TX);
		const struct vq_desc *d = &nic.queue[QUEUE_TX].vq->desc[head];
		const uint8_t *at = (const uint8_t *)(uintptr_t)d->at;
		if (d->flags || d->len < HEADER_LEN + NET_FRAME_MIN || d->len > HEADER_LEN + NET_FRAME_MAX ||
		    memcmp(at, no_offload, HEADER_LEN))
			abort();
		unsigned i = nic.sent_count++ % NIC_LOG;
		nic.sent[i].len = d->len - HEADER_LEN;
		memcpy(nic.sent[i].frame, at + HEADER_LEN, nic.sent[i].len);
		nic_complete(QUEUE_TX, head, 0);
	}
	return n;
}

/* A new handset: what is to be known of the device is set before. */
static inline void net_begin_all(void)
{
	memset(&net, 0, sizeof(net));
	memset(vnets, 0, sizeof(vnets));
	memset(nic.queue, 0, sizeof(nic.queue));
	memset(rx_given, 0, sizeof(rx_given));
	memset(tx_given, 0, sizeof(tx_given));
	memset(armed, 0, sizeof(armed));
	memset(rx_buffer, 0, sizeof(rx_buffer));
	tx_offered = rx_offered = false;
	nic.sent_count = nic.acks = nic_lines = 0;
	net_start();
	for (unsigned p = 0; p < host_config.personas; p++)
		vnet_plug(&(struct guest){ p, &host_config.persona[p], NULL, &(struct ram){ guest_ram[p], GUEST_RAM } });
}

#endif

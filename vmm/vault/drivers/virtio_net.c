#include "virtio_net.h"

#include "../dma.h"
#include "virtio.h"

#define FEATURE_MAC (1ull << 5)
#define FEATURE_STATUS (1ull << 16)
#define LINK_UP 1u
#define CONFIG_MAC 0
#define CONFIG_STATUS 6

#define QUEUE_RX 0
#define QUEUE_TX 1
#define AVAIL_NO_INTERRUPT 1
#define HEADER_LEN 12 /* struct virtio_net_hdr as of version 1 */
#define BUFFER_LEN 1536

/* A descriptor of each queue belongs to the buffer of the same number for good. */
static struct vq rx, tx;
static VQ_MEMORY(NIC_SLOTS) rx_memory, tx_memory;
static uint8_t rx_buffer[NIC_SLOTS][BUFFER_LEN], tx_buffer[NIC_SLOTS][BUFFER_LEN];
static bool rx_given[NIC_SLOTS], tx_given[NIC_SLOTS]; /* to the device */
static bool has_status, tx_offered, rx_offered;
static unsigned rx_slot; /* of the last frame, or NIC_NO_SLOT */
static uint32_t rx_len;  /* of that buffer, that the device wrote */

static void give(unsigned slot)
{
	rx_given[slot] = true;
	rx.desc[slot] = (struct vq_desc){ dma_paddr(rx_buffer[slot]).v, BUFFER_LEN, VQ_WRITE, 0 };
	vq_offer(&rx, (uint16_t)slot);
	rx_offered = true;
}

static bool is_address(const uint8_t mac[6])
{
	unsigned any = 0;
	for (unsigned i = 0; i < 6; i++)
		any |= mac[i];
	return any && !(mac[0] & 1);
}

const char *virtio_net_start(struct nic_info *ret_info)
{
	struct virtio dev;
	uint64_t features;
	if (!virtio_find(VIRTIO_ID_NET, 0, &dev))
		return "no network device";
	if (!virtio_begin(&dev, FEATURE_MAC | FEATURE_STATUS, &features))
		return "the network device refuses virtio version 1";
	if (!vq_start(&rx, &dev, QUEUE_RX, NIC_SLOTS, rx_memory.desc, rx_memory.avail, rx_memory.used) ||
	    !vq_start(&tx, &dev, QUEUE_TX, NIC_SLOTS, tx_memory.desc, tx_memory.avail, tx_memory.used))
		return "the network device has no queues";
	has_status = features & FEATURE_STATUS;
	*ret_info = (struct nic_info){ .slots = tx.num, .intid = dev.intid };
	for (unsigned i = 0; i < 6; i++)
		ret_info->mac[i] = (uint8_t)(virtio_config32(&dev, CONFIG_MAC + (i & 4u)) >> (8 * (i & 3)));
	ret_info->has_mac = (features & FEATURE_MAC) && is_address(ret_info->mac);
	virtio_net_sent_interrupt(false);
	rx_slot = NIC_NO_SLOT;
	virtio_go(&dev);
	for (unsigned i = 0; i < rx.num; i++)
		give(i);
	virtio_net_refill();
	return NULL;
}

bool virtio_net_link(void)
{
	return !has_status || (virtio_config32(&rx.dev, CONFIG_STATUS & ~3u) >> (8 * (CONFIG_STATUS & 3)) & LINK_UP);
}

void virtio_net_ack(void)
{
	virtio_ack(&rx.dev);
}

uint8_t *virtio_net_frame(unsigned slot)
{
	return tx_buffer[slot] + HEADER_LEN;
}

void virtio_net_send(unsigned slot, size_t len)
{
	/* The header stays zero: no offload, no segments. */
	tx_given[slot] = true;
	tx.desc[slot] = (struct vq_desc){ dma_paddr(tx_buffer[slot]).v, (uint32_t)(HEADER_LEN + len), 0, 0 };
	vq_offer(&tx, (uint16_t)slot);
	tx_offered = true;
}

void virtio_net_flush(void)
{
	if (tx_offered)
		vq_notify(&tx);
	tx_offered = false;
}

bool virtio_net_sent(unsigned *ret_slot)
{
	uint32_t head, len;
	if (!vq_completed(&tx, &head, &len))
		return false;
	*ret_slot = NIC_NO_SLOT;
	if (head < NIC_SLOTS && tx_given[head]) {
		tx_given[head] = false;
		*ret_slot = head;
	}
	return true;
}

static void set_interrupt(struct vq *q, bool on)
{
	q->avail[0] = on ? 0 : AVAIL_NO_INTERRUPT;
	/* The flag before the look at the used ring that decides whether to wait for an interrupt. */
	arch_dmb_device();
}

void virtio_net_sent_interrupt(bool on)
{
	set_interrupt(&tx, on);
}

bool virtio_net_receive(const uint8_t **ret_frame, size_t *ret_len)
{
	uint32_t head, len;
	if (!vq_completed(&rx, &head, &len))
		return false;
	*ret_len = 0;
	rx_slot = NIC_NO_SLOT;
	if (head >= NIC_SLOTS || !rx_given[head])
		return true;
	rx_given[head] = false;
	rx_slot = head;
	*ret_frame = rx_buffer[head] + HEADER_LEN;
	rx_len = (uint32_t)min_u64(len, BUFFER_LEN);
	if (len > HEADER_LEN && len <= HEADER_LEN + NIC_FRAME_MAX)
		*ret_len = len - HEADER_LEN;
	return true;
}

/* Nothing of a frame stays: the buffer may lie with the device for long. */
void virtio_net_received(void)
{
	if (rx_slot != NIC_NO_SLOT) {
		wipe(rx_buffer[rx_slot], rx_len);
		give(rx_slot);
	}
	rx_slot = NIC_NO_SLOT;
}

void virtio_net_refill(void)
{
	if (rx_offered)
		vq_notify(&rx);
	rx_offered = false;
}

void virtio_net_receive_interrupt(bool on)
{
	set_interrupt(&rx, on);
}

#include "virtio.h"

#include "../console.h"
#include "../dma.h"

#define REG_MAGIC 0x000
#define REG_VERSION 0x004
#define REG_DEVICE_ID 0x008
#define REG_DEVICE_FEATURES 0x010
#define REG_DEVICE_FEATURES_SEL 0x014
#define REG_DRIVER_FEATURES 0x020
#define REG_DRIVER_FEATURES_SEL 0x024
#define REG_QUEUE_SEL 0x030
#define REG_QUEUE_NUM_MAX 0x034
#define REG_QUEUE_NUM 0x038
#define REG_QUEUE_READY 0x044
#define REG_QUEUE_NOTIFY 0x050
#define REG_INTERRUPT_STATUS 0x060
#define REG_INTERRUPT_ACK 0x064
#define REG_STATUS 0x070
#define REG_QUEUE_DESC 0x080
#define REG_QUEUE_DRIVER 0x090
#define REG_QUEUE_DEVICE 0x0a0
#define REG_CONFIG 0x100

#define MAGIC 0x74726976
#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define FEATURE_VERSION_1 (1ull << 32)

bool virtio_find(uint32_t device_id, unsigned nth, struct virtio *ret_dev)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	for (uint32_t i = 0; i < c->virtio_count; i++) {
		uintptr_t base = c->virtio_pa + (uintptr_t)i * c->virtio_stride;
		if (mmio_read32(base + REG_MAGIC) != MAGIC || mmio_read32(base + REG_DEVICE_ID) != device_id)
			continue;
		if (mmio_read32(base + REG_VERSION) != 2) {
			console_log("virtio slot %u speaks only the legacy interface (QEMU: -global virtio-mmio.force-legacy=false)", i);
			continue;
		}
		if (nth--)
			continue;
		*ret_dev = (struct virtio){ base, c->virtio_intid + i };
		return true;
	}
	return false;
}

bool virtio_begin(const struct virtio *v, uint64_t wanted, uint64_t *ret_features)
{
	uint64_t features = 0;
	uint32_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

	mmio_write32(v->base + REG_STATUS, 0);
	/* Some devices reset at once, others within reading it back a few times (section 4.2.3.1.1). */
	for (unsigned i = 0; i < 100000 && mmio_read32(v->base + REG_STATUS); i++)
		arch_relax();
	mmio_write32(v->base + REG_STATUS, STATUS_ACKNOWLEDGE);
	mmio_write32(v->base + REG_STATUS, status);
	for (uint32_t i = 0; i < 2; i++) {
		mmio_write32(v->base + REG_DEVICE_FEATURES_SEL, i);
		features |= (uint64_t)mmio_read32(v->base + REG_DEVICE_FEATURES) << (32 * i);
	}
	features &= wanted | FEATURE_VERSION_1;
	for (uint32_t i = 0; i < 2; i++) {
		mmio_write32(v->base + REG_DRIVER_FEATURES_SEL, i);
		mmio_write32(v->base + REG_DRIVER_FEATURES, (uint32_t)(features >> (32 * i)));
	}
	status |= STATUS_FEATURES_OK;
	mmio_write32(v->base + REG_STATUS, status);
	*ret_features = features;
	return (features & FEATURE_VERSION_1) && (mmio_read32(v->base + REG_STATUS) & STATUS_FEATURES_OK);
}

void virtio_go(const struct virtio *v)
{
	mmio_write32(v->base + REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

uint32_t virtio_ack(const struct virtio *v)
{
	uint32_t status = mmio_read32(v->base + REG_INTERRUPT_STATUS);
	if (status)
		mmio_write32(v->base + REG_INTERRUPT_ACK, status);
	return status;
}

uint8_t virtio_config8(const struct virtio *v, uint32_t at)
{
	return mmio_read8(v->base + REG_CONFIG + at);
}

void virtio_config8_write(const struct virtio *v, uint32_t at, uint8_t value)
{
	mmio_write8(v->base + REG_CONFIG + at, value);
}

uint32_t virtio_config32(const struct virtio *v, uint32_t at)
{
	return mmio_read32(v->base + REG_CONFIG + at);
}

uint64_t virtio_config64(const struct virtio *v, uint32_t at)
{
	return virtio_config32(v, at) | (uint64_t)virtio_config32(v, at + 4) << 32;
}

static void write_address(uintptr_t reg, const volatile void *at)
{
	uint64_t pa = dma_paddr((const void *)at).v;
	mmio_write32(reg, (uint32_t)pa);
	mmio_write32(reg + 4, (uint32_t)(pa >> 32));
}

bool vq_start(struct vq *q, const struct virtio *v, uint32_t index, uint16_t max, struct vq_desc *desc, uint16_t *avail, uint32_t *used)
{
	mmio_write32(v->base + REG_QUEUE_SEL, index);
	uint32_t device_max = mmio_read32(v->base + REG_QUEUE_NUM_MAX);
	uint16_t num = max;
	while (num > device_max)
		num /= 2;
	if (!num || mmio_read32(v->base + REG_QUEUE_READY))
		return false;
	*q = (struct vq){ .dev = *v, .index = index, .num = num, .desc = desc, .avail = avail, .used = used };
	mmio_write32(v->base + REG_QUEUE_NUM, num);
	write_address(v->base + REG_QUEUE_DESC, desc);
	write_address(v->base + REG_QUEUE_DRIVER, avail);
	write_address(v->base + REG_QUEUE_DEVICE, used);
	mmio_write32(v->base + REG_QUEUE_READY, 1);
	return true;
}

void vq_offer(struct vq *q, uint16_t head)
{
	q->avail[2 + (q->next_avail & (q->num - 1))] = head;
	/* Descriptors and entry before the index. */
	arch_dmb_device();
	q->avail[1] = ++q->next_avail;
}

void vq_notify(struct vq *q)
{
	/* The index before the doorbell that makes the device look at it. */
	arch_dmb_device();
	mmio_write32(q->dev.base + REG_QUEUE_NOTIFY, q->index);
}

void vq_submit(struct vq *q, uint16_t head)
{
	vq_offer(q, head);
	vq_notify(q);
}

bool vq_completed(struct vq *q, uint32_t *ret_head, uint32_t *ret_len)
{
	if ((uint16_t)(q->used[0] >> 16) == q->next_used)
		return false;
	/* The index before the entry and the data it covers. */
	arch_dmb_device();
	*ret_head = q->used[1 + 2 * (q->next_used & (q->num - 1))];
	*ret_len = q->used[2 + 2 * (q->next_used & (q->num - 1))];
	q->next_used++;
	return true;
}

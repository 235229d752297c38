#include "virtio_blk.h"

#include "../dma.h"
#include "virtio.h"

#define FEATURE_RO (1ull << 5)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define CONFIG_CAPACITY 0
#define CONFIG_BLK_SIZE 20

#define SLOT_DESCS (BLK_SLOT_SEGS + 2) /* header, data, status: the descriptors of a slot never change hands */
#define QUEUE_MAX (BLK_SLOTS * SLOT_DESCS)

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

static struct vq queue;
static VQ_MEMORY(QUEUE_MAX) memory;
static struct blk_header header[BLK_SLOTS];
static volatile uint8_t status[BLK_SLOTS];
static bool in_flight[BLK_SLOTS];

const char *virtio_blk_start(struct blk_info *ret_info)
{
	struct virtio dev;
	uint64_t features;
	if (!virtio_find(VIRTIO_ID_BLOCK, 0, &dev))
		return "no virtio disk";
	if (!virtio_begin(&dev, FEATURE_RO | FEATURE_BLK_SIZE | FEATURE_FLUSH, &features))
		return "the disk refuses virtio version 1";
	if ((features & FEATURE_BLK_SIZE) && virtio_config32(&dev, CONFIG_BLK_SIZE) != SECTOR)
		return "the disk's logical blocks are not 512 bytes";
	if (!vq_start(&queue, &dev, 0, QUEUE_MAX, memory.desc, memory.avail, memory.used) || queue.num < SLOT_DESCS)
		return "the disk's queue is too short";
	*ret_info = (struct blk_info){
		.sectors = virtio_config64(&dev, CONFIG_CAPACITY),
		.slots = queue.num / SLOT_DESCS,
		.intid = dev.intid,
		.flush = features & FEATURE_FLUSH,
		.read_only = features & FEATURE_RO,
	};
	virtio_go(&dev);
	return NULL;
}

void virtio_blk_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	uint16_t at = (uint16_t)(slot * SLOT_DESCS);
	uint16_t head = at;

	header[slot] = (struct blk_header){ op, 0, sector };
	status[slot] = 0xff;
	in_flight[slot] = true;
	queue.desc[at] = (struct vq_desc){ dma_paddr(&header[slot]).v, sizeof(header[slot]), VQ_NEXT, (uint16_t)(at + 1) };
	at++;
	for (unsigned i = 0; i < segs_count && i < BLK_SLOT_SEGS; i++, at++) {
		uint16_t flags = VQ_NEXT | (op == BLK_READ ? VQ_WRITE : 0);
		queue.desc[at] = (struct vq_desc){ segs[i].at.v, segs[i].len, flags, (uint16_t)(at + 1) };
	}
	queue.desc[at] = (struct vq_desc){ dma_paddr((const void *)&status[slot]).v, 1, VQ_WRITE, 0 };
	vq_submit(&queue, head);
}

bool virtio_blk_completed(unsigned *ret_slot, bool *ret_ok)
{
	uint32_t head, len;
	while (vq_completed(&queue, &head, &len)) {
		uint32_t slot = head / SLOT_DESCS;
		/* A device that gives back what it does not have is broken; what it says about it means nothing. */
		if (head % SLOT_DESCS || slot >= BLK_SLOTS || !in_flight[slot])
			continue;
		in_flight[slot] = false;
		*ret_slot = slot;
		*ret_ok = status[slot] == 0;
		return true;
	}
	return false;
}

void virtio_blk_ack(void)
{
	virtio_ack(&queue.dev);
}

/* The board's storage on virtio-blk. */
#include "../dma.h"
#include "blk.h"
#include "virtio.h"

#define FEATURE_RO (1ull << 5)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_DISCARD (1ull << 13)
#define FEATURE_WRITE_ZEROES (1ull << 14)
#define FEATURE_INDIRECT (1ull << 28)
#define FEATURES (FEATURE_RO | FEATURE_BLK_SIZE | FEATURE_FLUSH | FEATURE_DISCARD | FEATURE_WRITE_ZEROES | FEATURE_INDIRECT)

#define CONFIG_CAPACITY 0
#define CONFIG_BLK_SIZE 20
#define CONFIG_MAX_DISCARD_SECTORS 36
#define CONFIG_MAX_ZEROES_SECTORS 48
#define CONFIG_ZEROES_MAY_UNMAP 56

#define SLOT_DESCS (BLK_SLOT_SEGS + 2) /* header, data, status: the descriptors of a slot never change hands */
#define QUEUE_MAX (BLK_SLOTS * SLOT_DESCS)

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* struct virtio_blk_discard_write_zeroes */
struct blk_range {
	uint64_t sector;
	uint32_t sectors, flags;
};
#define RANGE_UNMAP 1u

static struct vq queue;
static VQ_MEMORY(QUEUE_MAX) queue_memory;
/* With INDIRECT a request takes one entry of the ring, so that a short ring does not cut the number of slots (virtio 1.2, 2.7.5.3). */
static struct vq_desc tables[BLK_SLOTS][SLOT_DESCS] __attribute__((aligned(16)));
static bool indirect, may_unmap;
static struct blk_header header[BLK_SLOTS];
static struct blk_range range[BLK_SLOTS];
static volatile uint8_t status[BLK_SLOTS];
static bool in_flight[BLK_SLOTS];

static const char *start(struct blk_info *ret_info)
{
	struct virtio dev;
	uint64_t features;
	if (!virtio_find(VIRTIO_ID_BLOCK, 0, &dev))
		return "no virtio disk";
	if (!virtio_begin(&dev, FEATURES, &features))
		return "the disk refuses virtio version 1";
	if ((features & FEATURE_BLK_SIZE) && virtio_config32(&dev, CONFIG_BLK_SIZE) != SECTOR)
		return "the disk's logical blocks are not 512 bytes";
	indirect = features & FEATURE_INDIRECT;
	if (!vq_start(&queue, &dev, 0, QUEUE_MAX, queue_memory.desc, queue_memory.avail, queue_memory.used) ||
	    (!indirect && queue.num < SLOT_DESCS))
		return "the disk's queue is too short";
	*ret_info = (struct blk_info){
		.sectors = virtio_config64(&dev, CONFIG_CAPACITY),
		.slots = (uint32_t)min_u64(indirect ? queue.num : queue.num / SLOT_DESCS, BLK_SLOTS),
		.intid = dev.intid,
		.flush = features & FEATURE_FLUSH,
		.read_only = features & FEATURE_RO,
	};
	if (features & FEATURE_DISCARD)
		ret_info->discard_max = virtio_config32(&dev, CONFIG_MAX_DISCARD_SECTORS);
	if (features & FEATURE_WRITE_ZEROES) {
		ret_info->zeroes_max = virtio_config32(&dev, CONFIG_MAX_ZEROES_SECTORS);
		may_unmap = virtio_config32(&dev, CONFIG_ZEROES_MAY_UNMAP) & 0xff;
	}
	virtio_go(&dev);
	return NULL;
}

/* descs: SLOT_DESCS of them, those of the slot, filled but for the first and the one behind `count` of data. */
static void hand_over(unsigned slot, enum blk_op op, uint64_t sector, struct vq_desc *descs, unsigned count, uint16_t base)
{
	unsigned last = count + 1;
	header[slot] = (struct blk_header){ op, 0, sector };
	status[slot] = 0xff;
	in_flight[slot] = true;
	descs[0] = (struct vq_desc){ dma_paddr(&header[slot]).v, sizeof(header[slot]), VQ_NEXT, (uint16_t)(base + 1) };
	descs[last] = (struct vq_desc){ dma_paddr((const void *)&status[slot]).v, 1, VQ_WRITE, 0 };
	if (indirect)
		queue.desc[slot] = (struct vq_desc){ dma_paddr(descs).v, (uint32_t)((last + 1) * sizeof(*descs)), VQ_INDIRECT, 0 };
	vq_offer(&queue, indirect ? (uint16_t)slot : base);
}

static struct vq_desc *descs_of(unsigned slot, uint16_t *ret_base)
{
	*ret_base = (uint16_t)(indirect ? 0 : slot * SLOT_DESCS);
	return indirect ? tables[slot] : &queue.desc[*ret_base];
}

static void submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	uint16_t base, flags = VQ_NEXT | (op == BLK_READ ? VQ_WRITE : 0);
	struct vq_desc *d = descs_of(slot, &base);
	unsigned i;
	for (i = 0; i < segs_count && i < BLK_SLOT_SEGS; i++)
		d[i + 1] = (struct vq_desc){ segs[i].at.v, segs[i].len, flags, (uint16_t)(base + i + 2) };
	hand_over(slot, op, sector, d, i, base);
}

static void submit_range(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap)
{
	uint16_t base;
	struct vq_desc *d = descs_of(slot, &base);
	range[slot] = (struct blk_range){ sector, sectors, op == BLK_ZEROES && unmap && may_unmap ? RANGE_UNMAP : 0 };
	d[1] = (struct vq_desc){ dma_paddr(&range[slot]).v, sizeof(range[slot]), VQ_NEXT, (uint16_t)(base + 2) };
	hand_over(slot, op, 0, d, 1, base);
}

static bool notify(void)
{
	vq_notify(&queue);
	return false;
}

static bool completed(unsigned *ret_slot, bool *ret_ok)
{
	uint32_t head, len, stride = indirect ? 1 : SLOT_DESCS;
	/* A device that gives back what it does not have is broken; what it says about it means nothing, and it does not hold us here. */
	for (unsigned n = 0; n < queue.num && vq_completed(&queue, &head, &len); n++) {
		uint32_t slot = head / stride;
		if (head % stride || slot >= BLK_SLOTS || !in_flight[slot])
			continue;
		in_flight[slot] = false;
		*ret_slot = slot;
		*ret_ok = status[slot] == 0;
		return true;
	}
	return false;
}

static void ack(void)
{
	virtio_ack(&queue.dev);
}

const struct blk_driver blk_virtio = {
	.start = start,
	.submit = submit,
	.submit_range = submit_range,
	.notify = notify,
	.completed = completed,
	.ack = ack,
};

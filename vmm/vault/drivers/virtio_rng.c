#include "virtio_rng.h"

#include "../dma.h"
#include "virtio.h"

#define POOL 256

static struct vq queue;
static VQ_MEMORY(2) memory;
static uint8_t buffer[POOL]; /* the device writes here */
static uint8_t pool[POOL];
static size_t pool_len;
static bool asked;

static void ask(void)
{
	if (asked || pool_len == POOL)
		return;
	memory.desc[0] = (struct vq_desc){ dma_paddr(buffer).v, sizeof(buffer), VQ_WRITE, 0 };
	asked = true;
	vq_submit(&queue, 0);
}

bool virtio_rng_start(uint32_t *ret_intid)
{
	struct virtio dev;
	uint64_t features;
	if (!virtio_find(VIRTIO_ID_ENTROPY, 0, &dev) || !virtio_begin(&dev, 0, &features) ||
	    !vq_start(&queue, &dev, 0, 2, memory.desc, memory.avail, memory.used))
		return false;
	virtio_go(&dev);
	*ret_intid = dev.intid;
	ask();
	return true;
}

void virtio_rng_irq(void)
{
	uint32_t head, len;
	virtio_ack(&queue.dev);
	while (vq_completed(&queue, &head, &len)) {
		/* The entry's length says how much is new. */
		size_t n = min_u64(min_u64(len, sizeof(buffer)), POOL - pool_len);
		memcpy(pool + pool_len, buffer, n);
		pool_len += n;
		wipe(buffer, sizeof(buffer));
		asked = false;
	}
	ask();
}

bool virtio_rng_take(uint8_t *out, size_t len)
{
	if (len > pool_len) {
		ask();
		return false;
	}
	pool_len -= len;
	memcpy(out, pool + pool_len, len);
	wipe(pool + pool_len, len);
	return true;
}

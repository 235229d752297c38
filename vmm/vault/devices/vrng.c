#include "vrng.h"

#include "../random.h"
#include "vdev.h"

#define QUEUE_MAX 16    /* also the chains answered at a time: each one added later comes with a notification of its own */
#define CHAIN_BYTES 256 /* of entropy for one chain; a driver that wants more asks again */

struct vrng {
	struct vdev dev; /* first */
	bool plugged;
};

static struct vrng vrngs[MVP_MAX_PERSONAS];

static bool answer(struct vdev *d, const struct ring_chain *c)
{
	uint8_t bytes[CHAIN_BYTES];
	uint64_t out, in;
	vdev_chain_len(c, &out, &in);
	size_t len = min_u64(in, sizeof(bytes));
	bool have = random_bytes(bytes, len);
	if (have)
		vdev_push(d, 0, c->head, (uint32_t)vdev_copy_in(c, 0, bytes, len));
	wipe(bytes, sizeof(bytes));
	return have;
}

static void vrng_notify(struct vdev *d, unsigned queue)
{
	struct ring_chain *c = vdev_scratch();
	/* What is asked for before the generator has a seed stays in the ring. */
	if (!random_is_seeded())
		return;
	for (unsigned n = 0; n < QUEUE_MAX && vdev_pop(d, queue, c); n++) {
		if (!answer(d, c))
			break;
	}
}

static const struct vdev_model vrng_model = {
	.device_id = 4,
	.queue_max = QUEUE_MAX,
	.notify = vrng_notify,
};

/* Chains that waited for a seed. */
static void resume(struct vdev *d)
{
	vdev_queue_lock(d, 0);
	if (vdev_live(d, 0))
		vrng_notify(d, 0);
	vdev_queue_unlock(d, 0);
	vdev_signal(d);
}

void vrng_plug(const struct guest *g)
{
	struct vrng *r = &vrngs[g->persona];
	r->dev.model = &vrng_model;
	r->dev.queues = 1;
	vdev_plug(&r->dev, g->persona, MVP_SLOT_RNG, g->ram);
	r->plugged = true;
	/* The generator gets its seeds when a persona is loaded, right before this. */
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		if (p != g->persona && vrngs[p].plugged)
			resume(&vrngs[p].dev);
	}
}

void vrng_unplug(unsigned persona)
{
	vdev_unplug(&vrngs[persona].dev);
}

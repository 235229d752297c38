#include "vnet.h"

#include "../net.h"
#include "vdev.h"

#define FEATURE_MAC (1ull << 5)
#define FEATURE_STATUS (1ull << 16)
#define STATUS_LINK_UP 1

#define RX 0
#define TX 1
#define CONFIG_LEN 8 /* mac, status */
#define HEADER_LEN 12
#define NEEDS_CSUM 1 /* flag in the header's first byte */
#define GSO_TYPE_AT 1
#define NUM_BUFFERS_AT 10

struct vnet {
	struct vdev dev; /* first */
	bool plugged;
	uint8_t config[CONFIG_LEN];
};

static struct vnet vnets[MVP_MAX_PERSONAS];

/* Sends what the ring holds, until the persona has to wait. Chains that are added meanwhile come with a notification of their own. */
static void send_waiting(struct vdev *d)
{
	struct ring_chain *c = vdev_scratch();
	struct net_buffer b;
	for (unsigned n = 0; n < RING_MAX && net_begin(d->persona, &b); n++) {
		uint8_t header[HEADER_LEN];
		uint64_t out, in;
		if (!vdev_pop(d, TX, c)) {
			net_cancel(d->persona, &b);
			break;
		}
		vdev_chain_len(c, &out, &in);
		size_t got = vdev_copy_out(c, 0, header, sizeof(header));
		size_t len = got == HEADER_LEN ? (size_t)min_u64(out - HEADER_LEN, NET_FRAME_MAX + 1) : 0;
		/* Nothing that asks for an offload was negotiated. */
		if (len && ((header[0] & NEEDS_CSUM) || header[GSO_TYPE_AT]))
			len = 0;
		vdev_copy_out(c, HEADER_LEN, b.frame, min_u64(len, NET_FRAME_MAX));
		net_end(d->persona, &b, len);
		vdev_push(d, TX, c->head, 0);
	}
	net_flush();
}

static void vnet_notify(struct vdev *d, unsigned queue)
{
	if (queue == TX)
		send_waiting(d);
}

static const struct vdev_model vnet_model = {
	.device_id = 1,
	.queue_max = RING_MAX,
	.notify = vnet_notify,
};

/* From the network */

void net_room(unsigned persona)
{
	struct vdev *d = &vnets[persona].dev;
	if (!vnets[persona].plugged)
		return;
	vdev_queue_lock(d, TX);
	if (vdev_live(d, TX))
		send_waiting(d);
	vdev_queue_unlock(d, TX);
	vdev_signal(d);
}

bool net_deliver(unsigned persona, const uint8_t *frame, size_t len)
{
	static const uint8_t header[HEADER_LEN] = { [NUM_BUFFERS_AT] = 1 };
	struct vdev *d = &vnets[persona].dev;
	struct ring_chain *c = vdev_scratch();
	bool fits = false;
	if (!vnets[persona].plugged)
		return false;
	vdev_queue_lock(d, RX);
	if (vdev_pop(d, RX, c)) {
		uint64_t out, in;
		vdev_chain_len(c, &out, &in);
		fits = in >= HEADER_LEN + len;
		if (fits) {
			vdev_copy_in(c, 0, header, HEADER_LEN);
			vdev_copy_in(c, HEADER_LEN, frame, len);
		}
		vdev_push(d, RX, c->head, fits ? (uint32_t)(HEADER_LEN + len) : 0);
	}
	vdev_queue_unlock(d, RX);
	return fits;
}

void net_delivered(unsigned persona)
{
	if (vnets[persona].plugged)
		vdev_signal(&vnets[persona].dev);
}

void net_link_changed(unsigned persona)
{
	struct vnet *v = &vnets[persona];
	if (!v->plugged)
		return;
	spin_lock(&v->dev.lock);
	v->config[6] = net_link() ? STATUS_LINK_UP : 0;
	vdev_config_changed(&v->dev);
	spin_unlock(&v->dev.lock);
}

void vnet_plug(const struct guest *g)
{
	struct vnet *v = &vnets[g->persona];
	if (!g->config->network)
		return;
	net_plug(g->persona);
	net_mac(g->persona, v->config);
	v->config[6] = net_link() ? STATUS_LINK_UP : 0;
	v->dev.model = &vnet_model;
	v->dev.features = FEATURE_MAC | FEATURE_STATUS;
	v->dev.queues = 2;
	v->dev.config = v->config;
	v->dev.config_len = sizeof(v->config);
	vdev_plug(&v->dev, g->persona, MVP_SLOT_NET, g->ram);
	v->plugged = true;
}

void vnet_unplug(unsigned persona)
{
	vdev_unplug(&vnets[persona].dev);
}

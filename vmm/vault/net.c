/* Shares. Each persona may have its part of the sending slots in use, no more, so a persona that sends without end leaves the others
 * theirs; frames wait in its own ring. A frame that it has no buffer for is dropped: nothing waits for a persona. Both directions of each
 * persona have a token bucket of the configured rate. Received frames are taken in batches with pauses, so that a flood from outside has a
 * bounded part of CPU 0. */
#include "net.h"

#include "console.h"
#include "drivers/virtio_net.h"
#include "timer.h"

#define MAC_LEN 6
/* Bursts that a rate allows: a part of a second of it, within bounds in bytes. Sending waits; what comes in is dropped, which a sender far
 * away takes long to mend, so it may have a window's worth at once. */
#define TX_PARTS 32
#define TX_BURST_MIN (8 * NET_FRAME_MAX)
#define TX_BURST_MAX 0x40000
#define RX_PARTS 2
#define RX_BURST_MIN 0x10000
#define RX_BURST_MAX 0x100000
#define RATE_MAX 0xffffffff /* bytes per second; more than this needs no limit */
#define RX_BATCH 32
#define RX_PAUSE_US 200

_Static_assert(NET_FRAME_MAX == NIC_FRAME_MAX, "a frame fits into a slot");

/* Counts in bytes times counter frequency, so that nothing is lost to rounding however often it is looked at. */
struct bucket {
	uint64_t rate; /* bytes per second; 0: no limit */
	uint64_t last; /* counter */
	int64_t level, full;
};

struct port {
	bool on;
	uint8_t mac[MAC_LEN];
	struct bucket tx, rx;
	uint64_t due;   /* counter value at which it may send again, 0: it does not wait for that. Any CPU */
	bool waiting;   /* for a slot; lock held */
	unsigned slots; /* in use; lock held */
	/* Frames: tx ones under what serialises the persona's sending, rx ones on CPU 0. */
	struct {
		uint64_t sent, malformed, forged;     /* forged: with an address that is not its own */
		uint64_t received, unwanted, limited; /* unwanted: it had no buffer */
	} count;
};

static struct {
	bool there, link;
	struct nic_info info;
	struct spinlock lock; /* of all about sending */
	uint64_t used, stale; /* bit maps of slots; stale: to be wiped when it is sent */
	uint8_t owner[NIC_SLOTS];
	unsigned share;   /* slots of each persona */
	uint64_t poll_at; /* CPU 0: receives at this counter value instead of by interrupt; 0: by interrupt */
	struct port port[MVP_MAX_PERSONAS];
} net;

_Static_assert(NIC_SLOTS <= 64, "bit map");

static uint8_t nowhere[MVP_MAX_PERSONAS][NET_FRAME_MAX]; /* frames of a handset without a network */

static void wipe_slot(unsigned slot)
{
	wipe(virtio_net_frame(slot), NET_FRAME_MAX);
	net.stale &= ~(1ull << slot);
}

/* Rates */

static void bucket_start(struct bucket *b, uint64_t rate, uint64_t burst)
{
	b->rate = rate > RATE_MAX ? 0 : rate;
	b->last = arch_counter();
	b->full = b->level = (int64_t)(burst * arch_counter_hz());
}

/* A frame may go while there is anything in the bucket; it may leave a debt. */
static bool bucket_has(struct bucket *b, uint64_t now)
{
	if (!b->rate)
		return true;
	/* Cut to what fills the bucket: no overflow. */
	uint64_t elapsed = min_u64(now - b->last, (uint64_t)(b->full - b->level) / b->rate + 1);
	b->level += (int64_t)(elapsed * b->rate);
	b->last = now;
	if (b->level > b->full)
		b->level = b->full;
	return b->level > 0;
}

static void bucket_take(struct bucket *b, size_t len)
{
	if (b->rate)
		b->level -= (int64_t)(len * arch_counter_hz());
}

/* When it is worth going on: with a part of a burst rather than frame by frame. */
static uint64_t bucket_due(const struct bucket *b)
{
	return b->last + (uint64_t)(b->full / 4 - b->level) / b->rate + 1;
}

/* Sending */

/* Takes back what the device has sent; lock held. Whatever it says, no more than once round its queue. */
static void reclaim(void)
{
	unsigned slot;
	for (unsigned n = 0; n < NIC_SLOTS && virtio_net_sent(&slot); n++) {
		if (slot >= NIC_SLOTS || !(net.used >> slot & 1))
			continue;
		net.used &= ~(1ull << slot);
		net.port[net.owner[slot]].slots--;
		if (net.stale >> slot & 1)
			wipe_slot(slot);
	}
}

static bool take_slot(unsigned persona, unsigned *ret_slot)
{
	struct port *p = &net.port[persona];
	uint64_t all = ~0ull >> (64 - net.info.slots);
	if (p->slots >= net.share || !(all & ~net.used))
		return false;
	*ret_slot = (unsigned)__builtin_ctzll(all & ~net.used);
	net.used |= 1ull << *ret_slot;
	if (net.owner[*ret_slot] != persona)
		wipe_slot(*ret_slot); /* nothing of another's longer frame stays behind this one */
	net.owner[*ret_slot] = (uint8_t)persona;
	p->slots++;
	return true;
}

static bool begin(unsigned persona, unsigned *ret_slot)
{
	if (take_slot(persona, ret_slot))
		return true;
	reclaim();
	if (take_slot(persona, ret_slot))
		return true;
	/* What it sent meanwhile raised no interrupt yet: look again before waiting for one. */
	net.port[persona].waiting = true;
	virtio_net_flush();
	virtio_net_sent_interrupt(true);
	reclaim();
	if (!take_slot(persona, ret_slot))
		return false;
	net.port[persona].waiting = false;
	return true;
}

bool net_begin(unsigned persona, struct net_buffer *ret)
{
	struct port *p = &net.port[persona];
	*ret = (struct net_buffer){ nowhere[persona], NIC_NO_SLOT };
	if (!net.there)
		return true;
	if (!bucket_has(&p->tx, arch_counter())) {
		uint64_t due = bucket_due(&p->tx);
		__atomic_store_n(&p->due, due, __ATOMIC_RELEASE);
		timer_at(due);
		return false;
	}
	spin_lock(&net.lock);
	bool have = begin(persona, &ret->slot);
	spin_unlock(&net.lock);
	if (have)
		ret->frame = virtio_net_frame(ret->slot);
	return have;
}

static void give_slot(unsigned persona, unsigned slot)
{
	net.used &= ~(1ull << slot);
	net.port[persona].slots--;
}

void net_cancel(unsigned persona, const struct net_buffer *b)
{
	if (b->slot == NIC_NO_SLOT)
		return;
	spin_lock(&net.lock);
	give_slot(persona, b->slot);
	spin_unlock(&net.lock);
}

void net_end(unsigned persona, const struct net_buffer *b, size_t len)
{
	struct port *p = &net.port[persona];
	bool whole = len >= NET_FRAME_MIN && len <= NET_FRAME_MAX;
	bool own = whole && !memcmp(b->frame + MAC_LEN, p->mac, MAC_LEN);
	if (!whole)
		p->count.malformed++;
	else if (!own)
		p->count.forged++;
	if (!own || b->slot == NIC_NO_SLOT) {
		net_cancel(persona, b);
		return;
	}
	p->count.sent++;
	bucket_take(&p->tx, len);
	spin_lock(&net.lock);
	virtio_net_send(b->slot, len);
	spin_unlock(&net.lock);
}

void net_flush(void)
{
	if (!net.there)
		return;
	spin_lock(&net.lock);
	virtio_net_flush();
	spin_unlock(&net.lock);
}

/* What the device still sends is wiped when it says that it has. */
void net_forget(unsigned persona)
{
	wipe(nowhere[persona], NET_FRAME_MAX);
	if (!net.there)
		return;
	spin_lock(&net.lock);
	reclaim();
	for (unsigned slot = 0; slot < net.info.slots; slot++) {
		if (net.owner[slot] != persona)
			continue;
		if (net.used >> slot & 1)
			net.stale |= 1ull << slot;
		else
			wipe_slot(slot);
	}
	if (net.stale)
		virtio_net_sent_interrupt(true);
	reclaim(); /* what it sent before the interrupt was on raises none */
	spin_unlock(&net.lock);
}

/* Lets those go on for whom there is a slot again. */
static void resume(void)
{
	bool go[MVP_MAX_PERSONAS] = { false }, none = true;
	spin_lock(&net.lock);
	reclaim();
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		go[p] = net.port[p].waiting && net.port[p].slots < net.share;
		if (go[p])
			net.port[p].waiting = false;
		none &= !net.port[p].waiting;
	}
	if (none && !net.stale)
		virtio_net_sent_interrupt(false);
	spin_unlock(&net.lock);
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		if (go[p])
			net_room(p);
	}
}

/* Receiving */

static void deliver(const uint8_t *frame, size_t len)
{
	uint8_t head[2 * MAC_LEN]; /* the device might change it between looks */
	if (len < NET_FRAME_MIN)
		return;
	memcpy(head, frame, sizeof(head));
	for (unsigned i = 0; i < MVP_MAX_PERSONAS; i++) {
		/* What a persona sent comes back, or somebody outside takes its name. */
		if (net.port[i].on && !memcmp(head + MAC_LEN, net.port[i].mac, MAC_LEN))
			return;
	}
	for (unsigned i = 0; i < MVP_MAX_PERSONAS; i++) {
		struct port *p = &net.port[i];
		if (!p->on || (!(head[0] & 1) && memcmp(head, p->mac, MAC_LEN)))
			continue;
		if (!bucket_has(&p->rx, arch_counter())) {
			p->count.limited++;
		} else if (net_deliver(i, frame, len)) {
			p->count.received++;
			bucket_take(&p->rx, len);
		} else {
			p->count.unwanted++;
		}
	}
}

/* CPU 0. True if there may be more. */
static bool receive_batch(void)
{
	const uint8_t *frame = NULL; /* as the compiler does not see that both are set */
	size_t len = 0;
	unsigned n = 0;
	for (; n < RX_BATCH && virtio_net_receive(&frame, &len); n++) {
		if (len)
			deliver(frame, len);
		virtio_net_received();
	}
	virtio_net_refill();
	for (unsigned p = 0; p < MVP_MAX_PERSONAS && n; p++) {
		if (net.port[p].on)
			net_delivered(p);
	}
	return n == RX_BATCH;
}

static void receive(void)
{
	bool more = receive_batch();
	if (!more && net.poll_at) {
		net.poll_at = 0;
		virtio_net_receive_interrupt(true);
		/* What came before the interrupt was on raises none. */
		more = receive_batch();
	}
	if (more) {
		virtio_net_receive_interrupt(false);
		net.poll_at = arch_counter() + (uint64_t)arch_counter_hz() / 1000000 * RX_PAUSE_US;
		timer_at(net.poll_at);
	}
}

/* Events */

static void look_at_link(void)
{
	bool link = virtio_net_link();
	if (link == net.link)
		return;
	net.link = link;
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		if (net.port[p].on)
			net_link_changed(p);
	}
}

bool net_irq(uint32_t intid)
{
	if (!net.there || intid != net.info.intid)
		return false;
	virtio_net_ack();
	look_at_link();
	if (!net.poll_at)
		receive();
	resume();
	return true;
}

void net_tick(void)
{
	uint64_t now = arch_counter();
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		uint64_t due = __atomic_load_n(&net.port[p].due, __ATOMIC_ACQUIRE);
		if (!due)
			continue;
		if (now < due)
			timer_at(due);
		else if (__atomic_compare_exchange_n(&net.port[p].due, &due, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			net_room(p);
	}
	if (arch_cpu() == 0 && net.poll_at) {
		if (now < net.poll_at)
			timer_at(net.poll_at);
		else
			receive();
	}
}

bool net_link(void)
{
	return net.there && __atomic_load_n(&net.link, __ATOMIC_RELAXED);
}

void net_mac(unsigned persona, uint8_t ret[6])
{
	memcpy(ret, net.port[persona].mac, MAC_LEN);
}

static uint64_t between(uint64_t v, uint64_t min, uint64_t max)
{
	return v < min ? min : min_u64(v, max);
}

void net_plug(unsigned persona)
{
	struct port *p = &net.port[persona];
	uint64_t rate = mvp_vault_config.persona[persona].net_rate;
	bucket_start(&p->tx, rate, between(rate / TX_PARTS, TX_BURST_MIN, TX_BURST_MAX));
	bucket_start(&p->rx, rate, between(rate / RX_PARTS, RX_BURST_MIN, RX_BURST_MAX));
	memset(&p->count, 0, sizeof(p->count));
	__atomic_store_n(&p->due, 0, __ATOMIC_RELEASE);
}

void net_status(void)
{
	for (unsigned i = 0; i < mvp_vault_config.personas; i++) {
		const struct port *p = &net.port[i];
		const char *name = mvp_vault_config.persona[i].name;
		if (!p->on) {
			console_log("network %s none", name);
			continue;
		}
		console_log("network %s %s sent %lu malformed %lu forged %lu received %lu unwanted %lu limited %lu", name,
			    net_link() ? "up" : "down", (unsigned long)p->count.sent, (unsigned long)p->count.malformed,
			    (unsigned long)p->count.forged, (unsigned long)p->count.received, (unsigned long)p->count.unwanted,
			    (unsigned long)p->count.limited);
	}
}

/* The device's address with bits of the first byte changed that say whose it is: locally administered, different from the device's own, and
 * from those of other handsets as far as the devices' differ. */
static void set_mac(unsigned persona, uint8_t mac[MAC_LEN])
{
	static const uint8_t unknown[MAC_LEN] = { 0x02, 'm', 'v', 'p', 0, 0 }; /* of a device that does not say */
	memcpy(mac, net.there && net.info.has_mac ? net.info.mac : unknown, MAC_LEN);
	mac[0] = (uint8_t)((mac[0] ^ (persona + 1) << 4) | 2);
}

void net_start(void)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	bool wanted = false;
	for (unsigned p = 0; p < c->personas; p++)
		wanted |= c->persona[p].network != 0;
	if (!wanted)
		return;
	const char *wrong = virtio_net_start(&net.info);
	net.there = !wrong;
	if (wrong)
		console_log("%s: personas have no link", wrong);
	for (unsigned p = 0; p < c->personas; p++) {
		net.port[p].on = c->persona[p].network != 0;
		set_mac(p, net.port[p].mac);
	}
	if (!net.there)
		return;
	net.share = net.info.slots / MVP_MAX_PERSONAS ? net.info.slots / MVP_MAX_PERSONAS : 1;
	net.link = virtio_net_link();
	hc(MVP_HC_IRQ_ENABLE, net.info.intid, 1, 0);
	net_irq(net.info.intid); /* its edge may have come before */
}

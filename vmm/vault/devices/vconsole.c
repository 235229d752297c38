#include "vconsole.h"

#include "../console.h"
#include "../control.h"
#include "../notify.h"
#include "../timer.h"
#include "vdev.h"

#define FEATURE_MULTIPORT (1ull << 1)

#define CONFIG_LEN 12 /* cols, rows, max_nr_ports, emerg_wr */
#define MAX_NR_PORTS_AT 4

#define CONTROL_RX 2 /* queues of the device's own messages; those of port n are rx_queue(n) and the one after it */
#define CONTROL_TX 3
#define QUEUES 8

#define FIFO_SIZE 2048u
#define TAKE_BYTES 512 /* of output taken before others get a turn */
#define TAKE_MS 1
#define REST 32         /* times as long as it served one on time that is nobody's, the vault leaves him alone */
#define GIVE_BYTES 4096 /* likewise of what an agent is given */

/* Control messages: struct virtio_console_control is id, event, value. */
#define MESSAGE_LEN 8
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, CONSOLE_PORT = 4, PORT_OPEN = 6, PORT_NAME = 7 };

/* What the driver is to be told of a port, in this order. */
enum { TELL_ADD, TELL_CONSOLE, TELL_NAME, TELL_OPEN, TELLS };
static const uint8_t tell_events[TELLS] = { PORT_ADD, CONSOLE_PORT, PORT_NAME, PORT_OPEN };

enum { PORT_CONSOLE, PORT_CONTROL, PORT_NOTIFY, PORTS };
static const char *const port_names[PORTS] = { "org.mvp.console", "org.mvp.control", "org.mvp.notify" };

struct port {
	uint8_t fifo[FIFO_SIZE]; /* for the persona */
	uint32_t fifo_at, fifo_len;
	bool open;    /* in the persona */
	uint8_t tell; /* bit map of TELL_* */
	/* Output being taken from the persona */
	bool taking;
	uint64_t taken, len;
	struct ring_chain chain;
};

struct vconsole {
	struct vdev dev; /* first */
	bool plugged;
	struct spinlock lock; /* of all queues, and what follows. Before the console's lock */
	bool used;            /* the persona has written to port 0. Atomic */
	bool more;            /* output waits for a turn. Atomic */
	uint64_t rests_until; /* counter value before which it does not get one */
	struct port port[PORTS];
	uint8_t config[CONFIG_LEN];
};

static struct vconsole vconsoles[MVP_MAX_PERSONAS];

static unsigned rx_queue(unsigned port)
{
	return port ? 2 + 2 * port : 0;
}

static bool get(const bool *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void set(bool *p, bool v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* To the persona; lock held */

static void fifo_put(struct port *p, const void *data, size_t len)
{
	const uint8_t *from = data;
	for (size_t i = 0; i < len; i++)
		p->fifo[(p->fifo_at + p->fifo_len++) % FIFO_SIZE] = from[i];
}

/* Moves what is there into the persona's buffers. */
static void deliver(struct vconsole *v, unsigned port)
{
	struct port *p = &v->port[port];
	struct ring_chain *c = vdev_scratch();
	for (unsigned n = 0; n < RING_MAX && p->fifo_len && vdev_pop(&v->dev, rx_queue(port), c); n++) {
		size_t done = 0;
		for (unsigned part = 0; part < 2; part++) { /* up to the fifo's end, then from its begin */
			size_t len = min_u64(p->fifo_len, FIFO_SIZE - p->fifo_at);
			size_t got = vdev_copy_in(c, done, p->fifo + p->fifo_at, len);
			p->fifo_at = (uint32_t)((p->fifo_at + got) % FIFO_SIZE);
			p->fifo_len -= (uint32_t)got;
			done += got;
		}
		vdev_push(&v->dev, rx_queue(port), c->head, (uint32_t)done);
	}
}

static void put_le(uint8_t *at, uint32_t value, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* Sends the messages the driver has buffers for. */
static void tell(struct vconsole *v)
{
	struct ring_chain *c = vdev_scratch();
	for (unsigned port = 0; port < PORTS; port++) {
		struct port *p = &v->port[port];
		while (p->tell && vdev_pop(&v->dev, CONTROL_RX, c)) {
			unsigned what = (unsigned)__builtin_ctz(p->tell);
			uint8_t message[MESSAGE_LEN];
			put_le(message, port, 4);
			put_le(message + 4, tell_events[what], 2);
			put_le(message + 6, 1, 2);
			size_t len = vdev_copy_in(c, 0, message, MESSAGE_LEN);
			if (what == TELL_NAME)
				len += vdev_copy_in(c, len, port_names[port], text_len(port_names[port]));
			vdev_push(&v->dev, CONTROL_RX, c->head, (uint32_t)len);
			p->tell &= (uint8_t)(p->tell - 1);
		}
	}
}

/* From the persona; lock held */

/* What an agent has written and the vault not yet taken when another begins: that one's own words come later, as its driver waits until the
 * vault has seen that it opened the port. */
static void drop_output(struct vconsole *v, unsigned port)
{
	struct port *p = &v->port[port];
	struct ring_chain *c = vdev_scratch();
	if (p->taking)
		vdev_push(&v->dev, rx_queue(port) + 1, p->chain.head, 0);
	p->taking = false;
	for (unsigned n = 0; n < RING_MAX && vdev_pop(&v->dev, rx_queue(port) + 1, c); n++)
		vdev_push(&v->dev, rx_queue(port) + 1, c->head, 0);
}

static void take_message(struct vconsole *v, const uint8_t message[MESSAGE_LEN])
{
	uint32_t id = get_le32(message);
	uint16_t event = get_le16(message + 4), value = get_le16(message + 6);
	if (event == DEVICE_READY && value) {
		for (unsigned port = 0; port < PORTS; port++)
			v->port[port].tell |= 1u << TELL_ADD;
	}
	if (id >= PORTS)
		return;
	struct port *p = &v->port[id];
	if (event == PORT_READY && value) {
		p->tell |= 1u << TELL_NAME | 1u << TELL_OPEN;
		if (id == PORT_CONSOLE)
			p->tell |= 1u << TELL_CONSOLE;
	} else if (event == PORT_OPEN && p->open != (value != 0)) {
		p->open = value;
		if (id != PORT_CONSOLE) {
			p->fifo_len = 0;
			drop_output(v, id);
		}
		if (id == PORT_CONTROL)
			control_open(v->dev.persona);
		else if (id == PORT_NOTIFY)
			notify_open(v->dev.persona, p->open);
	}
}

static void take_messages(struct vconsole *v)
{
	struct ring_chain *c = vdev_scratch();
	for (unsigned n = 0; n < RING_MAX && vdev_pop(&v->dev, CONTROL_TX, c); n++) {
		uint8_t message[MESSAGE_LEN];
		uint16_t head = c->head; /* c is scratch: what the message asks for uses it, too */
		if (vdev_copy_out(c, 0, message, sizeof(message)) == sizeof(message))
			take_message(v, message);
		vdev_push(&v->dev, CONTROL_TX, head, 0);
	}
	tell(v);
}

/* They return how many bytes were taken; the rest has to wait for vconsole_room(), or for the agent to read. */
static size_t take_console(struct vconsole *v, const uint8_t *data, size_t len)
{
	size_t n = 0;
	set(&v->used, true);
	while (n < len && console_put(v->dev.persona, data[n]))
		n++;
	return n;
}

static size_t take_control(struct vconsole *v, const uint8_t *data, size_t len)
{
	struct port *p = &v->port[PORT_CONTROL];
	size_t n = 0;
	while (n < len && FIFO_SIZE - p->fifo_len >= CONTROL_ANSWER_MAX && !control_is_busy(v->dev.persona)) {
		char answer[CONTROL_ANSWER_MAX];
		size_t answer_len = control_byte(v->dev.persona, data[n++], answer);
		fifo_put(p, answer, answer_len);
	}
	return n;
}

static size_t take_notify(struct vconsole *v, const uint8_t *data, size_t len)
{
	return notify_take(v->dev.persona, data, len);
}

static size_t (*const port_takers[PORTS])(struct vconsole *, const uint8_t *, size_t) = { take_console, take_control, take_notify };

static void take_later(struct vconsole *v)
{
	set(&v->more, true);
	timer_at(arch_counter() + arch_ms(TAKE_MS));
}

/* Takes output of a port: a bounded number of bytes, the rest after a pause. */
static void take(struct vconsole *v, unsigned port)
{
	struct port *p = &v->port[port];
	size_t budget = TAKE_BYTES;
	for (unsigned n = 0; n < RING_MAX; n++) {
		if (!p->taking) {
			uint64_t in;
			if (!vdev_pop(&v->dev, rx_queue(port) + 1, &p->chain))
				return;
			vdev_chain_len(&p->chain, &p->len, &in);
			p->taken = 0;
			p->taking = true;
		}
		while (p->taken < p->len) {
			uint8_t piece[64];
			size_t want = vdev_copy_out(&p->chain, p->taken, piece, min_u64(sizeof(piece), budget));
			size_t got = port_takers[port](v, piece, want);
			p->taken += got;
			budget -= got;
			if (got < want)
				return;
			if (!budget && p->taken < p->len) {
				take_later(v);
				return;
			}
		}
		p->taking = false;
		vdev_push(&v->dev, rx_queue(port) + 1, p->chain.head, 0);
	}
}

/* What the agent has not been told, and what it has written while there was no room for the answers. */
static void serve_agent(struct vconsole *v)
{
	struct port *p = &v->port[PORT_CONTROL];
	char line[CONTROL_EVENT_MAX];
	deliver(v, PORT_CONTROL);
	take(v, PORT_CONTROL);
	if (p->open && FIFO_SIZE - p->fifo_len >= sizeof(line)) {
		size_t len = control_event(v->dev.persona, line);
		fifo_put(p, line, len);
	}
	deliver(v, PORT_CONTROL);
	if (p->taking && FIFO_SIZE - p->fifo_len >= CONTROL_ANSWER_MAX && !control_is_busy(v->dev.persona))
		take_later(v);
}

/* What the agent writes, and what there is for it, as far as it has buffers: a bounded number of bytes, the rest after a pause. */
static void serve_notify(struct vconsole *v)
{
	struct port *p = &v->port[PORT_NOTIFY];
	uint8_t piece[256];
	deliver(v, PORT_NOTIFY);
	take(v, PORT_NOTIFY);
	for (unsigned n = 0; p->fifo_len <= FIFO_SIZE - sizeof(piece); n++) {
		if (n == GIVE_BYTES / sizeof(piece)) {
			take_later(v);
			break;
		}
		size_t len = p->open ? notify_give(v->dev.persona, piece, sizeof(piece)) : 0;
		fifo_put(p, piece, len);
		deliver(v, PORT_NOTIFY);
		if (!len)
			break;
	}
	wipe(piece, sizeof(piece));
	if (p->taking && p->fifo_len <= FIFO_SIZE - sizeof(piece))
		take_later(v);
}

static void vconsole_notify(struct vdev *d, unsigned queue)
{
	struct vconsole *v = &vconsoles[d->persona];
	if (queue == CONTROL_RX)
		tell(v);
	else if (queue == CONTROL_TX)
		take_messages(v);
	else if (queue == rx_queue(PORT_CONSOLE) + 1)
		take(v, PORT_CONSOLE);
	else if (queue == rx_queue(PORT_CONSOLE)) {
		deliver(v, PORT_CONSOLE);
		if (!v->port[PORT_CONSOLE].fifo_len)
			console_wants_input(d->persona);
	} else if (queue == rx_queue(PORT_NOTIFY) || queue == rx_queue(PORT_NOTIFY) + 1) {
		serve_notify(v);
	} else {
		serve_agent(v);
	}
}

static void vconsole_stopped(struct vdev *d, unsigned queue)
{
	struct vconsole *v = &vconsoles[d->persona];
	for (unsigned port = 0; port < PORTS; port++) {
		struct port *p = &v->port[port];
		if (queue == rx_queue(port))
			p->fifo_len = 0;
		else if (queue == rx_queue(port) + 1)
			p->taking = false;
		else if (queue == CONTROL_RX)
			p->tell = 0;
		else if (queue == CONTROL_TX)
			p->open = false;
	}
	if (queue == CONTROL_TX)
		notify_open(d->persona, false);
	if (queue == rx_queue(PORT_CONSOLE) + 1)
		set(&v->used, false);
}

static const struct vdev_model vconsole_model = {
	.device_id = 3,
	.queue_max = RING_MAX,
	.notify = vconsole_notify,
	.stopped = vconsole_stopped,
};

/* For others */

bool vconsole_has_input(unsigned persona)
{
	return get(&vconsoles[persona].used);
}

bool vconsole_receive(unsigned persona, const uint8_t *data, size_t len)
{
	struct vconsole *v = &vconsoles[persona];
	struct port *p = &v->port[PORT_CONSOLE];
	spin_lock(&v->lock);
	bool fits = len <= FIFO_SIZE - p->fifo_len;
	/* If it was reset a moment ago nobody is there any more. */
	if (fits && get(&v->used)) {
		fifo_put(p, data, len);
		deliver(v, PORT_CONSOLE);
	}
	spin_unlock(&v->lock);
	vdev_signal(&v->dev);
	return fits;
}

void vconsole_room(unsigned persona)
{
	struct vconsole *v = &vconsoles[persona];
	if (!get(&v->plugged))
		return;
	spin_lock(&v->lock);
	if (v->port[PORT_CONSOLE].taking)
		take(v, PORT_CONSOLE);
	spin_unlock(&v->lock);
	vdev_signal(&v->dev);
}

void control_wake(unsigned persona)
{
	struct vconsole *v = &vconsoles[persona];
	if (!get(&v->plugged))
		return;
	spin_lock(&v->lock);
	serve_agent(v);
	spin_unlock(&v->lock);
	vdev_signal(&v->dev);
}

void notify_wake(unsigned persona)
{
	struct vconsole *v = &vconsoles[persona];
	if (!get(&v->plugged))
		return;
	spin_lock(&v->lock);
	serve_notify(v);
	spin_unlock(&v->lock);
	vdev_signal(&v->dev);
}

/* What is served here is served on time that no persona is charged for. Who leaves much for it waits in proportion, so that he takes little
 * of it from the others. */
static void serve_later(struct vconsole *v)
{
	spin_lock(&v->lock);
	uint64_t begun = arch_counter();
	if (begun < v->rests_until) {
		set(&v->more, true);
		timer_at(v->rests_until);
	} else {
		take(v, PORT_CONSOLE);
		serve_agent(v);
		serve_notify(v);
		uint64_t ended = arch_counter();
		v->rests_until = ended + REST * (ended - begun);
	}
	spin_unlock(&v->lock);
	vdev_signal(&v->dev);
}

void vconsole_tick(void)
{
	for (unsigned i = 0; i < MVP_MAX_PERSONAS; i++) {
		struct vconsole *v = &vconsoles[i];
		if (!__atomic_exchange_n(&v->more, false, __ATOMIC_ACQ_REL))
			continue;
		serve_later(v);
	}
}

void vconsole_plug(const struct guest *g)
{
	struct vconsole *v = &vconsoles[g->persona];
	put_le(v->config + MAX_NR_PORTS_AT, PORTS, 4);
	v->rests_until = 0;
	v->dev.model = &vconsole_model;
	v->dev.features = FEATURE_MULTIPORT;
	v->dev.queues = QUEUES;
	v->dev.config = v->config;
	v->dev.config_len = sizeof(v->config);
	for (unsigned i = 0; i < QUEUES; i++)
		v->dev.queue[i].lock = &v->lock;
	vdev_plug(&v->dev, g->persona, MVP_SLOT_CONSOLE, g->ram);
	control_plug(g->persona);
	set(&v->plugged, true);
}

void vconsole_unplug(unsigned persona)
{
	struct vconsole *v = &vconsoles[persona];
	vdev_unplug(&v->dev);
	spin_lock(&v->lock);
	for (unsigned i = 0; i < PORTS; i++)
		memset(v->port[i].fifo, 0, sizeof(v->port[i].fifo)); /* what was typed, and answered */
	spin_unlock(&v->lock);
}

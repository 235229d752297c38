#include "vinput.h"

#include "../evdev.h"
#include "vdev.h"

#define QUEUE_EVENTS 0
#define QUEUE_STATUS 1
#define QUEUE_LEN 64 /* more than the longest report */
#define REPORT_MAX 48
#define REPORT_KEYS 16     /* changes of keys in a report */
#define CONTACT_EVENTS 4   /* of one contact at most */
#define REPORT_END 4       /* the pointer that follows the first contact, and SYN_REPORT */
#define NOWHERE UINT32_MAX /* position of a pointer that was never reported */
#define TRACKING_ID_MAX 0xffffu
#define BUS_VIRTUAL 6

struct vinput {
	struct vdev dev; /* first */
	uint8_t config[VIRTIO_INPUT_CONFIG_DATA + VIRTIO_INPUT_DATA_MAX];
	struct ring_chain chain; /* the rest is covered by the lock of the queue of events */
};

struct keyboard {
	struct vinput in;    /* first */
	struct key_set held; /* down as far as our callers are concerned, delivered or in the report */
	struct key_set sent; /* down as far as the persona knows */
	struct key_set owed; /* of these: up, and it has to learn that */
	struct evdev_event report[REPORT_KEYS + 1];
	uint32_t count;
};

struct contact {
	bool down;
	uint32_t x, y;
	uint32_t serial; /* counts contacts; the lower the older */
};

struct pointer {
	bool down;
	uint32_t x, y;
};

struct touch {
	struct vinput in; /* first */
	struct contact want[VINPUT_CONTACTS], sent[VINPUT_CONTACTS];
	struct pointer pointer; /* as sent */
	uint32_t serial;
};

static struct keyboard keyboards[MVP_MAX_PERSONAS];
static struct touch touches[MVP_MAX_PERSONAS];

/* Delivery */

/* False if nobody would take an event. Otherwise the queue's lock is held. */
static bool begin(struct vinput *d)
{
	if (!d->dev.queue[QUEUE_EVENTS].lock)
		return false; /* was never plugged */
	vdev_queue_lock(&d->dev, QUEUE_EVENTS);
	if (vdev_live(&d->dev, QUEUE_EVENTS))
		return true;
	vdev_queue_unlock(&d->dev, QUEUE_EVENTS);
	return false;
}

static void end(struct vinput *d)
{
	vdev_queue_unlock(&d->dev, QUEUE_EVENTS);
	vdev_signal(&d->dev);
}

/* Events that the persona can take at once, at most. */
static unsigned room(const struct vinput *d)
{
	unsigned num = d->dev.queue[QUEUE_EVENTS].ring.num;
	return num < REPORT_MAX ? num : REPORT_MAX;
}

/* All of the events or none: the chains are given back together, or, when there are too few, left in the queue. */
static bool deliver(struct vinput *d, const struct evdev_event *events, unsigned count)
{
	struct ring *r = &d->dev.queue[QUEUE_EVENTS].ring;
	uint16_t heads[REPORT_MAX], before = r->next_avail;
	if (count > REPORT_MAX)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!vdev_pop(&d->dev, QUEUE_EVENTS, &d->chain)) {
			r->next_avail = before;
			return false;
		}
		if (vdev_copy_in(&d->chain, 0, &events[i], EVDEV_EVENT_LEN) != EVDEV_EVENT_LEN) {
			vdev_broken(&d->dev);
			return false;
		}
		heads[i] = d->chain.head;
	}
	for (unsigned i = 0; i < count; i++)
		vdev_push(&d->dev, QUEUE_EVENTS, heads[i], EVDEV_EVENT_LEN);
	return true;
}

static struct evdev_event event(enum evdev_type type, unsigned code, uint32_t value)
{
	return (struct evdev_event){ (uint16_t)type, (uint16_t)code, value };
}

/* Keyboard */

/* Releases that it could not be told about. False if they have to wait on. */
static bool keys_settle(struct keyboard *k)
{
	struct evdev_event e[REPORT_MAX];
	unsigned most = room(&k->in);
	for (;;) {
		unsigned n = 0;
		for (unsigned i = 0; i < (VINPUT_KEYS + 63) / 64; i++) {
			for (uint64_t left = k->owed.words[i]; left && n + 1 < most; left &= left - 1)
				e[n++] = event(EV_KEY, 64 * i + (unsigned)__builtin_ctzll(left), 0);
		}
		if (!n)
			return true;
		e[n] = event(EV_SYN, SYN_REPORT, 0);
		if (!deliver(&k->in, e, n + 1))
			return false;
		while (n) {
			key_set(&k->owed, e[--n].code, false);
			key_set(&k->sent, e[n].code, false);
		}
	}
}

static void keys_flush(struct keyboard *k)
{
	bool ok = keys_settle(k);
	if (!k->count)
		return;
	k->report[k->count] = event(EV_SYN, SYN_REPORT, 0);
	ok = ok && deliver(&k->in, k->report, k->count + 1);
	for (unsigned i = 0; i < k->count; i++) {
		unsigned code = k->report[i].code;
		if (ok)
			key_set(&k->sent, code, k->report[i].value);
		else if (k->report[i].value)
			key_set(&k->held, code, false);
		else
			key_set(&k->owed, code, true);
	}
	k->count = 0;
}

static bool in_report(const struct keyboard *k, unsigned code)
{
	for (unsigned i = 0; i < k->count; i++) {
		if (k->report[i].code == code)
			return true;
	}
	return false;
}

void vinput_key(unsigned persona, unsigned code, bool down)
{
	struct keyboard *k = &keyboards[persona];
	if (!code || code >= VINPUT_KEYS || !begin(&k->in))
		return;
	/* A key changes once in a report. */
	if (in_report(k, code) || k->count == REPORT_KEYS || k->count + 2 > room(&k->in))
		keys_flush(k);
	if (key_get(&k->held, code) != down) {
		k->report[k->count++] = event(EV_KEY, code, down);
		key_set(&k->held, code, down);
	}
	end(&k->in);
}

static void keys_release(struct keyboard *k)
{
	k->count = 0;
	k->held = (struct key_set){ 0 };
	k->owed = k->sent;
	keys_flush(k);
}

/* Touch screen */

static unsigned contact_events(struct evdev_event *e, unsigned slot, const struct contact *old, const struct contact *new)
{
	unsigned n = 0;
	e[n++] = event(EV_ABS, ABS_MT_SLOT, slot);
	if (!new->down) {
		e[n++] = event(EV_ABS, ABS_MT_TRACKING_ID, UINT32_MAX);
		return n;
	}
	if (!old->down)
		e[n++] = event(EV_ABS, ABS_MT_TRACKING_ID, new->serial &TRACKING_ID_MAX);
	if (!old->down || old->x != new->x)
		e[n++] = event(EV_ABS, ABS_MT_POSITION_X, new->x);
	if (!old->down || old->y != new->y)
		e[n++] = event(EV_ABS, ABS_MT_POSITION_Y, new->y);
	return n;
}

/* For those who know of one finger only: the one that is down longest. */
static unsigned pointer_events(struct evdev_event *e, const struct contact *contacts, struct pointer *p)
{
	const struct contact *oldest = NULL;
	unsigned n = 0;
	for (unsigned i = 0; i < VINPUT_CONTACTS; i++) {
		if (contacts[i].down && (!oldest || contacts[i].serial < oldest->serial))
			oldest = &contacts[i];
	}
	if (p->down != !!oldest)
		e[n++] = event(EV_KEY, BTN_TOUCH, !!oldest);
	p->down = oldest;
	if (!oldest)
		return n;
	if (p->x != oldest->x)
		e[n++] = event(EV_ABS, ABS_X, oldest->x);
	if (p->y != oldest->y)
		e[n++] = event(EV_ABS, ABS_Y, oldest->y);
	p->x = oldest->x;
	p->y = oldest->y;
	return n;
}

static bool same_contact(const struct contact *a, const struct contact *b)
{
	return a->down == b->down && (!a->down || (a->x == b->x && a->y == b->y));
}

/* One report, or a few when the persona's queue is short. */
static void touch_flush(struct touch *t)
{
	struct evdev_event e[REPORT_MAX];
	struct contact after[VINPUT_CONTACTS];
	struct pointer pointer = t->pointer;
	unsigned most = room(&t->in);
	for (;;) {
		unsigned n = 0;
		memcpy(after, t->sent, sizeof(after));
		for (unsigned i = 0; i < VINPUT_CONTACTS && n + CONTACT_EVENTS + REPORT_END <= most; i++) {
			if (same_contact(&t->want[i], &t->sent[i]))
				continue;
			n += contact_events(e + n, i, &t->sent[i], &t->want[i]);
			after[i] = t->want[i];
		}
		if (!n)
			return;
		n += pointer_events(e + n, after, &pointer);
		e[n] = event(EV_SYN, SYN_REPORT, 0);
		if (!deliver(&t->in, e, n + 1))
			return;
		memcpy(t->sent, after, sizeof(after));
		t->pointer = pointer;
	}
}

void vinput_touch(unsigned persona, unsigned contact, uint32_t x, uint32_t y)
{
	struct touch *t = &touches[persona];
	if (contact >= VINPUT_CONTACTS || !begin(&t->in))
		return;
	struct contact *w = &t->want[contact];
	if (!w->down && !t->sent[contact].down)
		*w = (struct contact){ .down = true, .serial = ++t->serial };
	w->x = x;
	w->y = y;
	end(&t->in);
}

void vinput_lift(unsigned persona, unsigned contact)
{
	struct touch *t = &touches[persona];
	if (contact >= VINPUT_CONTACTS || !begin(&t->in))
		return;
	t->want[contact].down = false;
	end(&t->in);
}

static void touch_release(struct touch *t)
{
	memset(t->want, 0, sizeof(t->want));
	touch_flush(t);
}

/* Both */

void vinput_report(unsigned persona)
{
	struct keyboard *k = &keyboards[persona];
	struct touch *t = &touches[persona];
	if (begin(&k->in)) {
		keys_flush(k);
		end(&k->in);
	}
	if (begin(&t->in)) {
		touch_flush(t);
		end(&t->in);
	}
}

void vinput_release(unsigned persona)
{
	struct keyboard *k = &keyboards[persona];
	struct touch *t = &touches[persona];
	if (begin(&k->in)) {
		keys_release(k);
		end(&k->in);
	}
	if (begin(&t->in)) {
		touch_release(t);
		end(&t->in);
	}
}

/* What the persona wants its lights to show is taken and forgotten: the board's keyboard serves both personas. */
static void take_status(struct vinput *d)
{
	struct ring_chain *c = vdev_scratch();
	for (unsigned n = 0; n < QUEUE_LEN && vdev_pop(&d->dev, QUEUE_STATUS, c); n++)
		vdev_push(&d->dev, QUEUE_STATUS, c->head, 0);
}

static void keyboard_notify(struct vdev *d, unsigned queue)
{
	if (queue == QUEUE_STATUS)
		take_status(&keyboards[d->persona].in);
	else
		keys_settle(&keyboards[d->persona]);
}

static void touch_notify(struct vdev *d, unsigned queue)
{
	if (queue == QUEUE_STATUS)
		take_status(&touches[d->persona].in);
	else
		touch_flush(&touches[d->persona]);
}

static void keyboard_stopped(struct vdev *d, unsigned queue)
{
	struct keyboard *k = &keyboards[d->persona];
	if (queue != QUEUE_EVENTS)
		return;
	k->held = k->sent = k->owed = (struct key_set){ 0 };
	wipe(k->report, sizeof(k->report));
	k->count = 0;
}

static void touch_stopped(struct vdev *d, unsigned queue)
{
	struct touch *t = &touches[d->persona];
	if (queue != QUEUE_EVENTS)
		return;
	memset(t->want, 0, sizeof(t->want));
	memset(t->sent, 0, sizeof(t->sent));
	t->pointer = (struct pointer){ false, NOWHERE, NOWHERE };
}

/* Configuration (section 5.8.4) */

static void put_bit(uint8_t *data, unsigned n)
{
	data[n / 8] |= (uint8_t)(1u << (n % 8));
}

/* Fills in what both devices answer to in the same way. */
static unsigned identity(const char *name, uint16_t product, unsigned select, unsigned subsel, uint8_t *data)
{
	if (subsel)
		return 0;
	if (select == VIRTIO_INPUT_ID_NAME)
		return (unsigned)text_format((char *)data, VIRTIO_INPUT_DATA_MAX, "%s", name);
	if (select == VIRTIO_INPUT_ID_DEVIDS) {
		/* Bus, vendor "MV", product, version: nothing of the board's. */
		const uint16_t ids[] = { BUS_VIRTUAL, 0x564d, product, 1 };
		memcpy(data, ids, sizeof(ids));
		return sizeof(ids);
	}
	return 0;
}

static unsigned keyboard_config(unsigned select, unsigned subsel, uint8_t *data)
{
	if (select == VIRTIO_INPUT_EV_BITS && subsel == EV_KEY) {
		for (unsigned code = 1; code < VINPUT_KEYS; code++)
			put_bit(data, code);
		return (VINPUT_KEYS + 7) / 8;
	}
	if (select == VIRTIO_INPUT_EV_BITS && subsel == EV_LED) {
		data[0] = 7; /* number, capitals, scroll lock */
		return 1;
	}
	return identity("MVP keyboard", 1, select, subsel, data);
}

static const struct {
	uint16_t code;
	uint32_t max; /* 0: pixels */
} axes[] = {
	{ ABS_X, 0 },
	{ ABS_Y, 0 },
	{ ABS_MT_SLOT, VINPUT_CONTACTS - 1 },
	{ ABS_MT_POSITION_X, 0 },
	{ ABS_MT_POSITION_Y, 0 },
	{ ABS_MT_TRACKING_ID, TRACKING_ID_MAX },
};

static unsigned touch_config(unsigned select, unsigned subsel, uint8_t *data)
{
	if (select == VIRTIO_INPUT_PROP_BITS && !subsel) {
		put_bit(data, INPUT_PROP_DIRECT);
		return 1;
	}
	if (select == VIRTIO_INPUT_EV_BITS && subsel == EV_KEY) {
		put_bit(data, BTN_TOUCH);
		return BTN_TOUCH / 8 + 1;
	}
	if (select == VIRTIO_INPUT_EV_BITS && subsel == EV_ABS) {
		for (size_t i = 0; i < ARRAY_LEN(axes); i++)
			put_bit(data, axes[i].code);
		return ABS_MT_TRACKING_ID / 8 + 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(axes) && select == VIRTIO_INPUT_ABS_INFO; i++) {
		const struct mvp_vault_config *c = &mvp_vault_config;
		bool across = axes[i].code == ABS_X || axes[i].code == ABS_MT_POSITION_X;
		/* min, max, fuzz, flat, resolution */
		const uint32_t info[5] = { 0, axes[i].max ? axes[i].max : (across ? c->width : c->height) - 1 };
		if (axes[i].code != subsel)
			continue;
		memcpy(data, info, sizeof(info));
		return sizeof(info);
	}
	return identity("MVP touch screen", 2, select, subsel, data);
}

static void config_write(struct vinput *d, uint32_t at, unsigned width, uint64_t value,
			 unsigned (*answer)(unsigned select, unsigned subsel, uint8_t *data))
{
	for (unsigned i = 0; i < width && at + i < VIRTIO_INPUT_CONFIG_SIZE; i++)
		d->config[at + i] = (uint8_t)(value >> (8 * i));
	memset(d->config + VIRTIO_INPUT_CONFIG_SIZE, 0, sizeof(d->config) - VIRTIO_INPUT_CONFIG_SIZE);
	d->config[VIRTIO_INPUT_CONFIG_SIZE] = (uint8_t)answer(d->config[0], d->config[1], d->config + VIRTIO_INPUT_CONFIG_DATA);
}

static void keyboard_config_write(struct vdev *d, uint32_t at, unsigned width, uint64_t value)
{
	config_write(&keyboards[d->persona].in, at, width, value, keyboard_config);
}

static void touch_config_write(struct vdev *d, uint32_t at, unsigned width, uint64_t value)
{
	config_write(&touches[d->persona].in, at, width, value, touch_config);
}

static const struct vdev_model keyboard_model = {
	.device_id = 18,
	.queue_max = QUEUE_LEN,
	.notify = keyboard_notify,
	.stopped = keyboard_stopped,
	.config_write = keyboard_config_write,
};

static const struct vdev_model touch_model = {
	.device_id = 18,
	.queue_max = QUEUE_LEN,
	.notify = touch_notify,
	.stopped = touch_stopped,
	.config_write = touch_config_write,
};

static void plug(struct vinput *d, const struct vdev_model *model, unsigned slot, const struct guest *g)
{
	memset(d->config, 0, sizeof(d->config));
	d->dev.model = model;
	d->dev.queues = 2;
	d->dev.config = d->config;
	d->dev.config_len = sizeof(d->config);
	vdev_plug(&d->dev, g->persona, slot, g->ram);
}

void vinput_plug(const struct guest *g)
{
	if (mvp_vault_config.display == MVP_DISPLAY_NONE)
		return;
	plug(&keyboards[g->persona].in, &keyboard_model, MVP_SLOT_KEYS, g);
	plug(&touches[g->persona].in, &touch_model, MVP_SLOT_TOUCH, g);
}

void vinput_unplug(unsigned persona)
{
	vdev_unplug(&keyboards[persona].in.dev);
	vdev_unplug(&touches[persona].in.dev);
}

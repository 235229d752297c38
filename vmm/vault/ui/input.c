#include "input.h"

#include "../console.h"
#include "../devices/vinput.h"
#include "../drivers/virtio_input.h"
#include "../handset.h"
#include "../timer.h"
#include "keymap.h"
#include "lock.h"

/* A device that never stops gets this much of CPU 0: so many events in so many ms, then its interrupt stays off until the next time. */
#define BURST INPUT_BATCH
#define BURST_MS 1
#define SWITCH_MS 20 /* from one switch to the next; no hand is faster */

#define NO_SLOT VINPUT_CONTACTS
#define NOBODY VINPUT_CONTACTS

/* What a finger does on the board's device. */
struct finger {
	int32_t x, y; /* of the device; they outlast the finger: a device tells only what changed */
	uint32_t id;
	bool down, was_down; /* now; at the last SYN_REPORT */
	bool turned;         /* down changed since then */
	bool moved;
	uint8_t contact; /* of the persona that has the focus, or NOBODY */
};

static struct source {
	const struct input_info *info;
	struct key_set keys; /* physically down */
	struct finger fingers[VINPUT_CONTACTS];
	unsigned slot; /* that the next events are about; NO_SLOT: one that is not followed */
	bool paused;
	unsigned left;  /* events of this burst */
	uint64_t since; /* counter value when it began */
} sources[INPUT_DEVICES];

static unsigned sources_count;
static int focus = INPUT_VAULT;
static struct key_set routed; /* keys whose press went to the focus */
static uint16_t contacts;     /* bit map of those that the focus has */
static bool caps_lock;        /* in the vault */
static bool switched;
static uint64_t switched_at;

/* On any device. */
static bool is_down(unsigned code)
{
	for (unsigned i = 0; i < sources_count; i++) {
		if (key_get(&sources[i].keys, code))
			return true;
	}
	return false;
}

/* Takes everything away from whoever has the focus. */
static void release_all(void)
{
	wipe(&routed, sizeof(routed));
	contacts = 0;
	for (unsigned i = 0; i < sources_count; i++) {
		for (unsigned f = 0; f < VINPUT_CONTACTS; f++)
			sources[i].fingers[f].contact = NOBODY;
	}
	if (focus != INPUT_VAULT)
		vinput_release((unsigned)focus);
}

void input_focus(int who)
{
	if (who < 0 || who >= (int)mvp_vault_config.personas)
		who = INPUT_VAULT;
	if (who == focus)
		return;
	release_all();
	focus = who;
	caps_lock = false;
}

/* Keys */

/* Whether this key, which went down just now, is the last of the chord. */
static bool completes_chord(unsigned code)
{
	bool part = false;
	for (unsigned i = 0; i < MVP_MAX_CHORD; i++) {
		unsigned c = mvp_vault_config.switch_chord[i];
		if (!c)
			continue;
		if (c >= KEY_CODES || !is_down(c))
			return false;
		part |= c == code;
	}
	return part;
}

static void chord(void)
{
	uint64_t now = arch_counter();
	release_all();
	if (switched && now - switched_at < arch_ms(SWITCH_MS))
		return;
	switched = true;
	switched_at = now;
	handset_switch();
}

static void type(unsigned code)
{
	if (code == KEY_CAPSLOCK)
		caps_lock = !caps_lock;
	bool shift = key_get(&routed, KEY_LEFTSHIFT) || key_get(&routed, KEY_RIGHTSHIFT);
	bool control = key_get(&routed, KEY_LEFTCTRL) || key_get(&routed, KEY_RIGHTCTRL);
	uint8_t c = keymap_char(code, shift, caps_lock);
	if (control)
		c = c == 'u' || c == 'U' ? 0x15 : 0;
	if (key_get(&routed, KEY_LEFTALT) || key_get(&routed, KEY_RIGHTALT))
		c = 0;
	if (c)
		lock_char(c);
}

static void on_key(struct source *s, unsigned code, bool down)
{
	if (key_get(&s->keys, code) == down)
		return;
	bool before = is_down(code);
	key_set(&s->keys, code, down);
	if (is_down(code) == before)
		return; /* another keyboard holds it, too */
	if (!down) {
		if (key_get(&routed, code) && focus != INPUT_VAULT)
			vinput_key((unsigned)focus, code, false);
		key_set(&routed, code, false);
	} else if (completes_chord(code)) {
		chord();
	} else {
		key_set(&routed, code, true);
		if (focus != INPUT_VAULT)
			vinput_key((unsigned)focus, code, true);
		else
			type(code);
	}
}

/* Fingers */

/* A value of an axis as one of so many pixels. */
static uint32_t pixel(const struct input_axis *a, int32_t value, uint32_t pixels)
{
	value = value < a->min ? a->min : value > a->max ? a->max : value;
	return (uint32_t)((uint64_t)((int64_t)value - a->min) * pixels / (uint64_t)((int64_t)a->max - a->min + 1));
}

/* The same number as on the board's screen, if it is free: who has one screen sees its own slots. */
static uint8_t free_contact(unsigned wanted)
{
	for (unsigned i = 0; i < VINPUT_CONTACTS; i++) {
		unsigned c = (wanted + i) % VINPUT_CONTACTS;
		if (!(contacts & 1u << c))
			return (uint8_t)c;
	}
	return NOBODY;
}

static void follow(const struct source *s, struct finger *f)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	uint32_t x = pixel(&s->info->x, f->x, c->width);
	uint32_t y = pixel(&s->info->y, f->y, c->bar_height + c->height);
	bool begins = f->down && !f->was_down, ends = !f->down && f->was_down;
	if (begins && focus != INPUT_VAULT && y >= c->bar_height) {
		f->contact = free_contact((unsigned)(f - s->fingers));
		if (f->contact != NOBODY)
			contacts |= (uint16_t)(1u << f->contact);
	}
	if (f->contact != NOBODY && f->down)
		vinput_touch((unsigned)focus, f->contact, x, y < c->bar_height ? 0 : y - c->bar_height);
	if (f->contact != NOBODY && ends) {
		vinput_lift((unsigned)focus, f->contact);
		contacts &= (uint16_t) ~(1u << f->contact);
		f->contact = NOBODY;
	}
	f->was_down = f->down;
	f->turned = false;
	f->moved = false;
}

static void on_report(struct source *s)
{
	for (unsigned i = 0; i < VINPUT_CONTACTS; i++) {
		if (s->fingers[i].turned || s->fingers[i].moved)
			follow(s, &s->fingers[i]);
	}
	if (focus != INPUT_VAULT)
		vinput_report((unsigned)focus);
}

static void turn(struct source *s, struct finger *f, bool down)
{
	if (f->down == down)
		return;
	if (f->turned)
		on_report(s); /* it came and went, or the other way round, in one report: two */
	f->down = down;
	f->turned = true;
}

static void move(int32_t *at, uint32_t value, struct finger *f)
{
	*at = (int32_t)value;
	f->moved |= f->down || f->was_down;
}

static void on_abs(struct source *s, unsigned code, uint32_t value)
{
	if (s->info->multi && code == ABS_MT_SLOT)
		s->slot = value < VINPUT_CONTACTS ? value : NO_SLOT;
	if (s->slot == NO_SLOT)
		return;
	struct finger *f = &s->fingers[s->slot];
	if (code == (s->info->multi ? ABS_MT_POSITION_X : ABS_X))
		move(&f->x, value, f);
	if (code == (s->info->multi ? ABS_MT_POSITION_Y : ABS_Y))
		move(&f->y, value, f);
	if (!s->info->multi || code != ABS_MT_TRACKING_ID)
		return;
	bool down = value <= INT32_MAX;
	if (down && f->id != value)
		turn(s, f, false);
	turn(s, f, down);
	f->id = value;
}

static void on_event(struct source *s, const struct evdev_event *e)
{
	bool touch = s->info->single || s->info->multi;
	if (e->type == EV_SYN && e->code == SYN_REPORT)
		on_report(s);
	else if (e->type == EV_ABS && touch)
		on_abs(s, e->code, e->value);
	else if (e->type == EV_KEY && e->value <= 1 && (e->code == BTN_LEFT || e->code == BTN_TOUCH) && s->info->single)
		turn(s, &s->fingers[0], e->value);
	else if (e->type == EV_KEY && e->value <= 1 && e->code && e->code < KEY_CODES)
		on_key(s, e->code, e->value);
}

/* Devices */

static void serve(unsigned device)
{
	struct source *s = &sources[device];
	struct evdev_event events[BURST];
	uint64_t now = arch_counter();
	unsigned seen;
	if (now - s->since >= arch_ms(BURST_MS)) {
		s->since = now;
		s->left = BURST;
	}
	if (s->left) {
		virtio_input_ack(device);
		unsigned count = virtio_input_take(device, s->left, events, &seen);
		for (unsigned i = 0; i < count; i++)
			on_event(s, &events[i]);
		wipe(events, sizeof(events));
		/* Interrupts without an event are no better. */
		s->left -= seen ? seen : 1;
	}
	if (!s->left && !s->paused) {
		s->paused = true;
		hc(MVP_HC_IRQ_ENABLE, s->info->intid, 0, 0);
	}
	if (s->paused)
		timer_at(s->since + arch_ms(BURST_MS));
}

bool input_irq(uint32_t intid)
{
	for (unsigned i = 0; i < sources_count; i++) {
		if (sources[i].info->intid == intid) {
			serve(i);
			return true;
		}
	}
	return false;
}

void input_tick(uint64_t now)
{
	for (unsigned i = 0; i < sources_count; i++) {
		struct source *s = &sources[i];
		if (!s->paused)
			continue;
		if (now - s->since >= arch_ms(BURST_MS)) {
			s->paused = false;
			hc(MVP_HC_IRQ_ENABLE, s->info->intid, 1, 0);
		}
		serve(i);
	}
}

void input_start(void)
{
	if (mvp_vault_config.display == MVP_DISPLAY_NONE)
		return;
	sources_count = virtio_input_start();
	for (unsigned i = 0; i < sources_count; i++) {
		struct source *s = &sources[i];
		*s = (struct source){ .info = virtio_input_info(i) };
		for (unsigned f = 0; f < VINPUT_CONTACTS; f++)
			s->fingers[f].contact = NOBODY;
		console_log("input: %s%s%s", s->info->name, s->info->keys ? ", keys" : "",
			    s->info->multi    ? ", multi-touch"
			    : s->info->single ? ", touch"
					      : "");
		hc(MVP_HC_IRQ_ENABLE, s->info->intid, 1, 0);
		serve(i); /* its edge may have come before */
	}
}

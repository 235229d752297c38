/* Items are numbered twice. The sender's number is also the alert's id: the vault takes a number once, in ascending order, and remembers
 * the last, so an agent that was not told the result sends the item again and nothing is doubled. The number in the receiver's queue stays
 * there until the receiver's agent has taken the item, so an agent or a persona that ends in between gets it again, and says in HELLO if it
 * had it already. */
#include "notify.h"

#include "control.h"
#include "drivers/pl031.h"
#include "notify_item.h"
#include "random.h"

#define QUEUE_BYTES 0x10000u
#define RESULTS 16u  /* answers that wait for the agent to read */
#define WINDOW 8u    /* items given to an agent and not yet answered */
#define RECENT 1024u /* alerts of a persona of which it is known whether they were dismissed: the last ones */
#define BUSY_MS 500u /* a sender waits so long for room */
#define MINUTE_S 60u
#define DAY_MINUTES 1440u

/* What lies in front of each item in a queue. */
struct entry {
	uint64_t number; /* in this queue, ascending */
	uint64_t id;     /* the sender's number */
	uint32_t len;    /* of the item behind */
	uint8_t kind;    /* enum mvp_notify_kind, 0: withdrawn */
};

struct queue {
	uint8_t data[QUEUE_BYTES];
	uint32_t at, len;          /* entries with their items, the oldest first */
	uint32_t count;            /* entries that are not withdrawn */
	uint32_t sent, sent_count; /* bytes from `at` on, and entries, that the agent of this session has been given */
	uint64_t last_number;
};

struct notify_result {
	uint64_t seq;
	struct mvp_notify_result body;
};

struct peer {
	/* The session of its agent, under its port's lock */
	bool open, greeted, broken;
	uint8_t in[MVP_NOTIFY_FRAME_MAX];
	uint32_t in_len;
	uint8_t out[MVP_NOTIFY_FRAME_MAX]; /* the frame that is being given */
	uint32_t out_at, out_len;
	struct notify_result result[RESULTS];
	uint32_t results;
	uint64_t refused; /* number of the item that was refused as BUSY: what is behind it is, too; 0: none */
	bool welcome;     /* owed */
	uint32_t error;   /* owed, enum mvp_notify_wrong */
	/* Outlives agents and the persona's restarts; under notify_lock */
	uint64_t taken;              /* last number taken from it */
	uint8_t waiting[RECENT / 8]; /* bit number % RECENT: the alert was not dismissed */
	uint32_t alerts;             /* bits set in waiting. Atomic for readers */
	uint64_t tokens_at;          /* counter value up to which its items are paid for */
	struct queue queue;          /* for it */
	uint32_t news;               /* atomic: there is something to give */
};

static struct peer peers[MVP_MAX_PERSONAS];
static struct spinlock notify_lock; /* inside a port's lock; nothing is locked inside it */
static uint64_t epoch;              /* of this run of the vault; under notify_lock */

static struct peer *other_of(unsigned persona)
{
	return &peers[(persona + 1) % mvp_vault_config.personas];
}

static void ring_news(unsigned persona)
{
	if (!__atomic_exchange_n(&peers[persona].news, 1, __ATOMIC_ACQ_REL))
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

/* Queues; notify_lock held */

static void queue_copy_in(struct queue *q, uint32_t at, const void *from, uint32_t len)
{
	uint32_t start = (q->at + at) % QUEUE_BYTES, first = (uint32_t)min_u64(len, QUEUE_BYTES - start);
	memcpy(q->data + start, from, first);
	memcpy(q->data, (const uint8_t *)from + first, len - first);
}

static void queue_copy_out(const struct queue *q, uint32_t at, void *to, uint32_t len)
{
	uint32_t start = (q->at + at) % QUEUE_BYTES, first = (uint32_t)min_u64(len, QUEUE_BYTES - start);
	memcpy(to, q->data + start, first);
	memcpy((uint8_t *)to + first, q->data, len - first);
}

static void queue_zero(struct queue *q, uint32_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		q->data[(q->at + at + i) % QUEUE_BYTES] = 0;
}

static bool queue_has_room(const struct queue *q, size_t len)
{
	return q->count < mvp_vault_config.notify_queue && sizeof(struct entry) + len <= QUEUE_BYTES - q->len;
}

static void queue_put(struct queue *q, uint64_t id, const uint8_t *item, size_t len)
{
	struct entry e = { .number = ++q->last_number, .id = id, .len = (uint32_t)len, .kind = item[0] };
	queue_copy_in(q, q->len, &e, sizeof(e));
	queue_copy_in(q, q->len + (uint32_t)sizeof(e), item, e.len);
	q->len += (uint32_t)sizeof(e) + e.len;
	q->count++;
}

/* Drops the oldest entry, and every trace of it. */
static void queue_drop(struct queue *q, const struct entry *e)
{
	uint32_t len = (uint32_t)sizeof(*e) + e->len;
	queue_zero(q, 0, len);
	q->at = (q->at + len) % QUEUE_BYTES;
	q->len -= len;
	q->count -= e->kind != 0;
	if (q->sent) {
		q->sent -= len;
		q->sent_count -= e->kind != 0;
	}
}

/* All up to this number was taken by the agent. */
static void queue_drop_to(struct queue *q, uint64_t number)
{
	while (q->len) {
		struct entry e;
		queue_copy_out(q, 0, &e, sizeof(e));
		if (e.number > number)
			break;
		queue_drop(q, &e);
	}
}

/* Takes an alert back that no agent has been given yet. */
static bool queue_withdraw(struct queue *q, uint64_t id)
{
	struct entry e;
	for (uint32_t at = q->sent; at < q->len; at += (uint32_t)sizeof(e) + e.len) {
		queue_copy_out(q, at, &e, sizeof(e));
		if (e.id != id || e.kind != MVP_NOTIFY_ALERT)
			continue;
		e.kind = 0;
		queue_copy_in(q, at, &e, sizeof(e));
		queue_zero(q, at + (uint32_t)sizeof(e), e.len);
		q->count--;
		return true;
	}
	return false;
}

/* Which alerts wait; notify_lock held */

static bool is_waiting(const struct peer *p, uint64_t id)
{
	return id && id <= p->taken && p->taken - id < RECENT && p->waiting[id % RECENT / 8] >> (id % 8) & 1;
}

static void set_waiting(struct peer *p, uint64_t id, bool on)
{
	uint8_t *byte = &p->waiting[id % RECENT / 8], bit = (uint8_t)(1u << (id % 8));
	if (!(*byte & bit) == !on)
		return;
	*byte ^= bit;
	__atomic_store_n(&p->alerts, on ? p->alerts + 1 : p->alerts - 1, __ATOMIC_RELEASE);
	control_alerts_moved();
}

/* A number is taken: those that fall out of the window are no longer known. */
static void advance(struct peer *p, uint64_t seq)
{
	for (uint64_t n = min_u64(seq - p->taken, RECENT); n; n--)
		set_waiting(p, seq - n + 1, false);
	p->taken = seq;
}

/* From the agent; notify_lock held */

/* A bucket of as many items as the queue holds, which fills at the manifest's rate. */
static bool pay(struct peer *p)
{
	uint64_t now = arch_counter(),
		 cost = (uint64_t)arch_counter_hz() * MINUTE_S / (mvp_vault_config.notify_rate ? mvp_vault_config.notify_rate : 1);
	if (p->tokens_at < now)
		p->tokens_at = now;
	if (p->tokens_at - now > cost * mvp_vault_config.notify_queue)
		return false;
	p->tokens_at += cost;
	return true;
}

static uint8_t quiet_flag(uint8_t priority)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	if (!c->rtc_pa || c->quiet_from == c->quiet_to || priority == MVP_NOTIFY_URGENT)
		return 0;
	return notify_is_quiet(pl031_seconds() / MINUTE_S % DAY_MINUTES, c->quiet_from, c->quiet_to) ? MVP_NOTIFY_QUIET : 0;
}

/* An item under way: its fields, as the sender wrote them, and all of it as bytes. */
struct incoming {
	unsigned from;
	uint64_t seq;
	struct mvp_notify_item fields;
	uint8_t *item;
	size_t len;
};

static void forward(struct incoming *in)
{
	memcpy(in->item, &in->fields, sizeof(in->fields));
	queue_put(&other_of(in->from)->queue, in->seq, in->item, in->len);
}

static enum mvp_notify_answer take_alert(struct incoming *in)
{
	struct peer *p = &peers[in->from];
	enum mvp_notify_level level = (enum mvp_notify_level)mvp_vault_config.persona[in->from].notify_level[in->fields.category];
	advance(p, in->seq);
	if (level == MVP_NOTIFY_NONE)
		return MVP_NOTIFY_DENIED;
	uint8_t flags = quiet_flag(in->fields.priority);
	in->len = notify_item_redact(in->item, in->len, level);
	memcpy(&in->fields, in->item, sizeof(in->fields));
	in->fields.id = in->seq;
	in->fields.flags = flags;
	forward(in);
	set_waiting(p, in->seq, true);
	return MVP_NOTIFY_TAKEN;
}

/* The alert is one's own, or one of the other's; either way the other side is told in its own view, once. */
static enum mvp_notify_answer take_dismiss(struct incoming *in)
{
	bool mine = in->fields.flags & MVP_NOTIFY_MINE;
	struct peer *to = other_of(in->from), *of = mine ? &peers[in->from] : to;
	advance(&peers[in->from], in->seq);
	if (!is_waiting(of, in->fields.id))
		return MVP_NOTIFY_TAKEN;
	set_waiting(of, in->fields.id, false);
	if (mine && queue_withdraw(&to->queue, in->fields.id))
		return MVP_NOTIFY_TAKEN;
	in->fields.flags ^= MVP_NOTIFY_MINE;
	forward(in);
	return MVP_NOTIFY_TAKEN;
}

static enum mvp_notify_answer take_open(struct incoming *in)
{
	struct peer *of = other_of(in->from);
	advance(&peers[in->from], in->seq);
	if (!is_waiting(of, in->fields.id) || !control_yield(in->from))
		return MVP_NOTIFY_DENIED;
	set_waiting(of, in->fields.id, false);
	in->fields.flags = MVP_NOTIFY_MINE;
	forward(in);
	return MVP_NOTIFY_TAKEN;
}

static enum mvp_notify_answer take_clipboard(struct incoming *in)
{
	advance(&peers[in->from], in->seq);
	if (!mvp_vault_config.persona[in->from].clipboard)
		return MVP_NOTIFY_DENIED;
	in->fields.level = MVP_NOTIFY_FULL;
	forward(in);
	return MVP_NOTIFY_TAKEN;
}

static enum mvp_notify_answer (*const takers[])(struct incoming *in) = {
	[MVP_NOTIFY_ALERT] = take_alert,
	[MVP_NOTIFY_DISMISS] = take_dismiss,
	[MVP_NOTIFY_OPEN] = take_open,
	[MVP_NOTIFY_CLIPBOARD] = take_clipboard,
};

static enum mvp_notify_answer take_item(unsigned persona, uint64_t seq, uint8_t *item, size_t len)
{
	struct peer *p = &peers[persona];
	if (seq <= p->taken)
		return MVP_NOTIFY_TAKEN; /* it was taken, and its agent was not told */
	if (p->refused && seq > p->refused)
		return MVP_NOTIFY_BUSY; /* or what was refused would come behind it, as if it had been taken before */
	if (mvp_vault_config.personas < 2) {
		advance(p, seq);
		return MVP_NOTIFY_DENIED;
	}
	if (!queue_has_room(&other_of(persona)->queue, len) || !pay(p)) {
		p->refused = seq;
		return MVP_NOTIFY_BUSY;
	}
	p->refused = 0;
	struct incoming in = { .from = persona, .seq = seq, .item = item, .len = len };
	memcpy(&in.fields, item, sizeof(in.fields));
	return takers[in.fields.kind](&in);
}

/* Frames; the port's lock held */

static void add_result(struct peer *p, uint64_t seq, enum mvp_notify_answer answer)
{
	p->result[p->results++] = (struct notify_result){ seq, { answer, answer == MVP_NOTIFY_BUSY ? BUSY_MS : 0 } };
}

static enum mvp_notify_wrong on_hello(unsigned persona, const struct mvp_notify_head *h, uint8_t *body)
{
	struct peer *p = &peers[persona];
	struct mvp_notify_hello hello;
	if (p->greeted)
		return MVP_NOTIFY_WRONG_ORDER;
	if (h->len != sizeof(hello) || h->seq)
		return MVP_NOTIFY_WRONG_FRAME;
	memcpy(&hello, body, sizeof(hello));
	spin_lock(&notify_lock);
	if (hello.epoch && hello.epoch == epoch)
		queue_drop_to(&p->queue, hello.got);
	spin_unlock(&notify_lock);
	p->greeted = p->welcome = true;
	return 0;
}

static enum mvp_notify_wrong on_item(unsigned persona, const struct mvp_notify_head *h, uint8_t *body)
{
	struct peer *p = &peers[persona];
	if (!p->greeted || !h->seq || h->seq == UINT64_MAX)
		return MVP_NOTIFY_WRONG_ORDER;
	if (!notify_item_sound(body, h->len))
		return MVP_NOTIFY_WRONG_ITEM;
	spin_lock(&notify_lock);
	uint64_t last = other_of(persona)->queue.last_number;
	add_result(p, h->seq, take_item(persona, h->seq, body, h->len));
	bool news = other_of(persona)->queue.last_number != last;
	spin_unlock(&notify_lock);
	if (news)
		ring_news((persona + 1) % mvp_vault_config.personas);
	return 0;
}

static enum mvp_notify_wrong on_result(unsigned persona, const struct mvp_notify_head *h, uint8_t *body)
{
	struct peer *p = &peers[persona];
	struct mvp_notify_result r;
	if (!p->greeted)
		return MVP_NOTIFY_WRONG_ORDER;
	if (h->len != sizeof(r))
		return MVP_NOTIFY_WRONG_FRAME;
	memcpy(&r, body, sizeof(r));
	if (r.answer != MVP_NOTIFY_TAKEN)
		return MVP_NOTIFY_WRONG_ORDER;
	spin_lock(&notify_lock);
	/* Only what this agent was given. */
	struct entry e = { .number = 0 };
	uint64_t last_sent = 0;
	for (uint32_t at = 0; at < p->queue.sent; at += (uint32_t)sizeof(e) + e.len) {
		queue_copy_out(&p->queue, at, &e, sizeof(e));
		last_sent = e.number;
	}
	bool given = h->seq && h->seq <= last_sent;
	if (given)
		queue_drop_to(&p->queue, h->seq);
	spin_unlock(&notify_lock);
	return given ? 0 : MVP_NOTIFY_WRONG_ORDER;
}

static enum mvp_notify_wrong (*const frames[])(unsigned persona, const struct mvp_notify_head *h, uint8_t *body) = {
	[MVP_NOTIFY_HELLO] = on_hello,
	[MVP_NOTIFY_ITEM] = on_item,
	[MVP_NOTIFY_RESULT] = on_result,
};

/* How many bytes the frame in `in` has, as far as it is known. What is wrong with its head is said in ret_wrong. */
static uint32_t wanted(const struct peer *p, enum mvp_notify_wrong *ret_wrong)
{
	struct mvp_notify_head h;
	*ret_wrong = 0;
	if (p->in_len < sizeof(h))
		return sizeof(h);
	memcpy(&h, p->in, sizeof(h));
	if (h.magic != MVP_NOTIFY_MAGIC || h.type >= ARRAY_LEN(frames) || !frames[h.type] || h.len > MVP_NOTIFY_BODY_MAX)
		*ret_wrong = MVP_NOTIFY_WRONG_FRAME;
	if (h.magic == MVP_NOTIFY_MAGIC && h.version != MVP_NOTIFY_VERSION)
		*ret_wrong = MVP_NOTIFY_WRONG_VERSION;
	return *ret_wrong ? 0 : (uint32_t)sizeof(h) + h.len;
}

static void on_frame(unsigned persona)
{
	struct peer *p = &peers[persona];
	struct mvp_notify_head h;
	memcpy(&h, p->in, sizeof(h));
	enum mvp_notify_wrong wrong = frames[h.type](persona, &h, p->in + sizeof(h));
	/* What was withheld lies nowhere any more. */
	wipe(p->in, p->in_len);
	p->in_len = 0;
	if (wrong) {
		p->broken = true;
		p->error = wrong;
	}
}

/* Acts on a frame that is complete, unless the agent has too many answers to read: who does not read is not listened to. False then. */
static bool run(unsigned persona)
{
	struct peer *p = &peers[persona];
	enum mvp_notify_wrong wrong;
	uint32_t want = wanted(p, &wrong);
	if (wrong) {
		wipe(p->in, p->in_len);
		p->in_len = 0;
		p->broken = true;
		p->error = wrong;
	} else if (p->in_len == want) {
		if (p->results == RESULTS)
			return false;
		on_frame(persona);
	}
	return true;
}

size_t notify_take(unsigned persona, const uint8_t *data, size_t len)
{
	struct peer *p = &peers[persona];
	size_t n = 0;
	while (n < len && !p->broken) {
		enum mvp_notify_wrong wrong;
		size_t piece = min_u64(len - n, wanted(p, &wrong) - p->in_len);
		memcpy(p->in + p->in_len, data + n, piece);
		p->in_len += (uint32_t)piece;
		n += piece;
		if (!run(persona))
			break;
	}
	return p->broken ? len : n; /* what a broken session says goes nowhere */
}

/* To the agent */

static void frame(struct peer *p, enum mvp_notify_type type, uint64_t seq, const void *body, uint32_t len)
{
	struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, (uint8_t)type, len, seq };
	memcpy(p->out, &h, sizeof(h));
	memcpy(p->out + sizeof(h), body, len);
	p->out_at = 0;
	p->out_len = (uint32_t)sizeof(h) + len;
}

static void next_item(struct peer *p)
{
	struct queue *q = &p->queue;
	uint8_t *body = p->out + sizeof(struct mvp_notify_head);
	struct entry e = { 0 };
	spin_lock(&notify_lock);
	while (!e.kind && q->sent < q->len && q->sent_count < WINDOW) {
		queue_copy_out(q, q->sent, &e, sizeof(e));
		if (!e.kind && !q->sent) {
			queue_drop(q, &e);
			continue;
		}
		if (e.kind)
			queue_copy_out(q, q->sent + (uint32_t)sizeof(e), body, e.len);
		q->sent += (uint32_t)sizeof(e) + e.len;
		q->sent_count += e.kind != 0;
	}
	spin_unlock(&notify_lock);
	if (!e.kind)
		return;
	struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, MVP_NOTIFY_ITEM, e.len, e.number };
	memcpy(p->out, &h, sizeof(h));
	p->out_at = 0;
	p->out_len = (uint32_t)sizeof(h) + e.len;
}

static void next_welcome(unsigned persona)
{
	struct mvp_notify_welcome w = { .queue = mvp_vault_config.notify_queue, .rate = mvp_vault_config.notify_rate };
	struct peer *p = &peers[persona];
	unsigned other = (persona + 1) % mvp_vault_config.personas;
	spin_lock(&notify_lock);
	w.epoch = epoch;
	w.taken = p->taken;
	spin_unlock(&notify_lock);
	memcpy(w.persona, mvp_vault_config.persona[persona].name, sizeof(w.persona));
	if (other != persona)
		memcpy(w.other, mvp_vault_config.persona[other].name, sizeof(w.other));
	p->welcome = false;
	frame(p, MVP_NOTIFY_WELCOME, 0, &w, sizeof(w));
}

/* Makes the next frame, if there is one. */
static void next_frame(unsigned persona)
{
	struct peer *p = &peers[persona];
	if (p->error) {
		struct mvp_notify_error e = { p->error, 0 };
		p->error = 0;
		frame(p, MVP_NOTIFY_ERROR, 0, &e, sizeof(e));
	} else if (p->broken || !p->greeted) {
		return;
	} else if (p->welcome) {
		next_welcome(persona);
	} else if (p->results) {
		struct notify_result r = p->result[0];
		p->results--;
		memmove(p->result, p->result + 1, p->results * sizeof(r));
		frame(p, MVP_NOTIFY_RESULT, r.seq, &r.body, sizeof(r.body));
		(void)run(persona); /* what has waited for this */
	} else {
		next_item(p);
	}
}

size_t notify_give(unsigned persona, uint8_t *ret, size_t size)
{
	struct peer *p = &peers[persona];
	size_t n = 0;
	if (!p->open)
		return 0;
	while (n < size) {
		if (p->out_at == p->out_len)
			next_frame(persona);
		if (p->out_at == p->out_len)
			break;
		size_t piece = min_u64(size - n, p->out_len - p->out_at);
		memcpy(ret + n, p->out + p->out_at, piece);
		p->out_at += (uint32_t)piece;
		n += piece;
		if (p->out_at == p->out_len) {
			wipe(p->out, p->out_len);
			p->out_at = p->out_len = 0;
		}
	}
	return n;
}

/* Sessions */

static uint64_t new_epoch(void)
{
	uint64_t words[3] = { 0 };
	/* Without entropy the time has to do: it only has to differ from the last run's. */
	(void)random_words(words);
	uint64_t v = words[0] ^ arch_counter() ^ (mvp_vault_config.rtc_pa ? (uint64_t)pl031_seconds() << 32 : 0);
	return v ? v : 1;
}

void notify_open(unsigned persona, bool open)
{
	struct peer *p = &peers[persona];
	wipe(p->in, sizeof(p->in));
	wipe(p->out, sizeof(p->out));
	p->in_len = p->out_at = p->out_len = p->results = p->error = 0;
	p->refused = 0;
	p->greeted = p->broken = p->welcome = false;
	p->open = open;
	spin_lock(&notify_lock);
	if (!epoch)
		epoch = new_epoch();
	p->queue.sent = p->queue.sent_count = 0;
	spin_unlock(&notify_lock);
}

unsigned notify_alerts(unsigned persona)
{
	return __atomic_load_n(&peers[persona].alerts, __ATOMIC_ACQUIRE);
}

void notify_poll(void)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		if (__atomic_exchange_n(&peers[p].news, 0, __ATOMIC_ACQ_REL))
			notify_wake(p);
	}
}

void notify_forget(unsigned persona)
{
	struct peer *p = &peers[persona], *other = other_of(persona);
	spin_lock(&notify_lock);
	/* What the other side was given already is its own; the numbers of both queues go on, so that nothing is taken twice. */
	queue_drop_to(&p->queue, UINT64_MAX);
	if (other != p) {
		struct entry e;
		for (uint32_t at = other->queue.sent; at < other->queue.len; at += (uint32_t)sizeof(e) + e.len) {
			queue_copy_out(&other->queue, at, &e, sizeof(e));
			other->queue.count -= e.kind != 0;
			e.kind = 0;
			queue_copy_in(&other->queue, at, &e, sizeof(e));
			queue_zero(&other->queue, at + (uint32_t)sizeof(e), e.len);
		}
	}
	memset(p->waiting, 0, sizeof(p->waiting));
	__atomic_store_n(&p->alerts, 0, __ATOMIC_RELEASE);
	p->taken = 0;
	spin_unlock(&notify_lock);
	control_alerts_moved();
}

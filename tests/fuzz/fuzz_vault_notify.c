/* Hostile agents on both alert ports: the input is a script of what they write and read, of agents that come and go, and of time. Whatever
 * happens, what is withheld never comes, what was taken comes once and in order, and all counts stay within their bounds. */
#include "tests/unit/fixture_notify.h"

#define STEPS_MAX 2000
#define STEP_LEN 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the agent of a persona has read, byte by byte. */
static struct reader {
	uint8_t frame[MVP_NOTIFY_FRAME_MAX];
	size_t len;
	uint64_t last, last_id; /* numbers in this session; of alerts, in all */
} readers[MVP_MAX_PERSONAS];

static void on_frame_read(unsigned p)
{
	struct reader *r = &readers[p];
	struct heard h;
	memset(&h, 0, sizeof(h));
	memcpy(&h, r->frame, r->len);
	if (h.head.type != MVP_NOTIFY_ITEM)
		return;
	if (h.head.seq <= r->last)
		abort();
	r->last = h.head.seq;
	/* Of work's alerts the title, of the personal side's all but calls, of which only that there was one. */
	if (h.item.kind == MVP_NOTIFY_ALERT) {
		if ((p == 0 && (h.item.body_len || h.item.level != MVP_NOTIFY_TITLE)) ||
		    (p == 1 && (h.item.category == MVP_NOTIFY_CALL || h.item.category == MVP_NOTIFY_MAIL)) ||
		    (h.item.flags & ~MVP_NOTIFY_QUIET))
			abort();
	} else if (h.item.kind == MVP_NOTIFY_CLIPBOARD && p == 0) {
		abort();
	}
}

static void read_some(unsigned p, size_t len)
{
	struct reader *r = &readers[p];
	for (; len; len--) {
		if (!notify_give(p, r->frame + r->len, 1))
			return;
		r->len++;
		uint32_t want = sizeof(struct mvp_notify_head);
		if (r->len >= want)
			want += get_le32(r->frame + 4);
		if (want > sizeof(r->frame))
			abort();
		if (r->len == want) {
			on_frame_read(p);
			r->len = 0;
		}
	}
}

/* A frame that is as it should be, or nearly. */
static void say_sense(unsigned p, const uint8_t *s)
{
	static uint8_t item[MVP_NOTIFY_BODY_MAX];
	static char body[MVP_NOTIFY_TEXT_MAX + 1];
	struct mvp_notify_item i = { .kind = s[0] % 5, .category = s[1] % 8, .priority = s[2] % 5, .flags = s[3] & 1, .id = s[4] % 32 };
	uint64_t seq = s[5] & 1 ? peers[p].taken + s[6] % 3 : s[6];
	struct mvp_notify_result r = { 0, 0 };
	memset(body, 'b', sizeof(body) - 1);
	body[s[7] * 8u] = 0;
	switch (s[8] % 4) {
	case 0:
		say(p, MVP_NOTIFY_HELLO, 0, &(struct mvp_notify_hello){ s[1] & 1 ? epoch : s[2], s[3] }, sizeof(struct mvp_notify_hello));
		break;
	case 1:
		say(p, MVP_NOTIFY_RESULT, readers[p].last - s[1] % 3, &r, sizeof(r));
		break;
	default:
		if (i.kind == MVP_NOTIFY_ALERT)
			i.flags = i.id = 0;
		else
			i.category = i.priority = 0;
		bool texts = i.kind == MVP_NOTIFY_ALERT, clip = i.kind == MVP_NOTIFY_CLIPBOARD;
		if (clip)
			i.id = i.flags = 0;
		say(p, MVP_NOTIFY_ITEM, seq, item, item_make(item, i, texts ? "app" : "", texts ? "title" : "", texts || clip ? body : ""));
	}
}

static void step(const uint8_t *s)
{
	unsigned p = s[0] >> 7;
	switch (s[0] % 8) {
	case 0:
		notify_open(p, s[1] & 1);
		readers[p].len = 0;
		readers[p].last = 0;
		break;
	case 1:
		notify_take(p, s + 1, STEP_LEN - 1);
		break;
	case 2:
		read_some(p, s[1] * 4u);
		break;
	case 3:
		host_time += s[1] * 10000u;
		clock_seconds += s[2] * 600u;
		may_yield = s[3] & 1;
		break;
	case 4:
		notify_poll();
		if (s[1] == 77)
			notify_forget(p);
		break;
	default:
		say_sense(p, s + 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct queue *q = &peers[i].queue;
		if (q->len > QUEUE_BYTES || q->at >= QUEUE_BYTES || q->sent > q->len || q->sent_count > WINDOW ||
		    q->count > host_config.notify_queue || peers[i].results > RESULTS || peers[i].in_len > sizeof(peers[i].in) ||
		    peers[i].out_len > sizeof(peers[i].out) || notify_alerts(i) > RECENT)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	notify_reset();
	memset(readers, 0, sizeof(readers));
	host_config.notify_queue = 8;
	host_config.notify_rate = 600;
	host_config.quiet_from = 22 * 60;
	host_config.quiet_to = 7 * 60;
	host_config.persona[0].notify_level[MVP_NOTIFY_CALL] = MVP_NOTIFY_COUNT;
	host_config.persona[0].notify_level[MVP_NOTIFY_MAIL] = MVP_NOTIFY_NONE;
	for (const uint8_t *p = data, *end = data + size; end - p >= STEP_LEN && p - data < STEPS_MAX * STEP_LEN; p += STEP_LEN)
		step(p);
	return 0;
}

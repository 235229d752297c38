/* The vault's part of the alerts with agents that are played by the test: what they say and hear are frames of mvp/notify.h. */
#ifndef TESTS_UNIT_FIXTURE_NOTIFY_H
#define TESTS_UNIT_FIXTURE_NOTIFY_H

#include "vault_host.h"

/* What the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "vmm/vault/lib.c"
#include "vmm/vault/notify.c"
#include "vmm/vault/notify_item.c"

/* The rest of the vault */
static unsigned alerts_moved, yields;
static bool may_yield;
static uint32_t clock_seconds;
static bool woken[MVP_MAX_PERSONAS];

void control_alerts_moved(void)
{
	alerts_moved++;
}

bool control_yield(unsigned persona)
{
	(void)persona;
	yields += may_yield;
	return may_yield;
}

bool random_words(uint64_t ret[3])
{
	ret[0] = 0x1234567890abcdef;
	return true;
}

uint32_t pl031_seconds(void)
{
	return clock_seconds;
}

void notify_wake(unsigned persona)
{
	woken[persona] = true;
}

/* Frames */

struct heard {
	struct mvp_notify_head head;
	union {
		struct mvp_notify_welcome welcome;
		struct mvp_notify_item item;
		struct mvp_notify_result result;
		struct mvp_notify_error error;
		uint8_t bytes[MVP_NOTIFY_BODY_MAX];
	};
};

static inline size_t frame_make(uint8_t *ret, uint8_t type, uint64_t seq, const void *body, size_t len)
{
	struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, type, (uint32_t)len, seq };
	memcpy(ret, &h, sizeof(h));
	if (len)
		memcpy(ret + sizeof(h), body, len);
	return sizeof(h) + len;
}

static inline size_t item_make(uint8_t *ret, struct mvp_notify_item i, const char *app, const char *title, const char *body)
{
	i.app_len = (uint16_t)strlen(app);
	i.title_len = (uint16_t)strlen(title);
	i.body_len = (uint16_t)strlen(body);
	memcpy(ret, &i, sizeof(i));
	memcpy(ret + sizeof(i), app, i.app_len);
	memcpy(ret + sizeof(i) + i.app_len, title, i.title_len);
	memcpy(ret + sizeof(i) + i.app_len + i.title_len, body, i.body_len);
	return sizeof(i) + i.app_len + i.title_len + i.body_len;
}

/* Says a frame, all of it taken. */
static inline bool say(unsigned p, uint8_t type, uint64_t seq, const void *body, size_t len)
{
	static uint8_t frame[MVP_NOTIFY_FRAME_MAX + 64];
	size_t n = frame_make(frame, type, seq, body, len);
	return notify_take(p, frame, n) == n;
}

static inline bool say_alert(unsigned p, uint64_t seq, struct mvp_notify_item i, const char *app, const char *title, const char *body)
{
	static uint8_t item[MVP_NOTIFY_BODY_MAX];
	i.kind = MVP_NOTIFY_ALERT;
	return say(p, MVP_NOTIFY_ITEM, seq, item, item_make(item, i, app, title, body));
}

static inline bool say_about(unsigned p, uint64_t seq, uint8_t kind, uint64_t id, uint8_t flags)
{
	struct mvp_notify_item i = { .kind = kind, .id = id, .flags = flags };
	return say(p, MVP_NOTIFY_ITEM, seq, &i, sizeof(i));
}

/* The next frame for an agent, read a few bytes at a time; false if there is none. */
static inline bool hear(unsigned p, struct heard *ret)
{
	uint8_t *to = (uint8_t *)ret;
	size_t n = 0, want = sizeof(ret->head);
	memset(ret, 0, sizeof(*ret));
	while (n < want) {
		size_t got = notify_give(p, to + n, want - n < 7 ? want - n : 7);
		if (!got && !n)
			return false;
		if (!got)
			abort();
		n += got;
		if (n == sizeof(ret->head))
			want += ret->head.len;
		if (want > sizeof(*ret))
			abort();
	}
	return true;
}

/* A new agent of the persona; the welcome. */
static inline struct mvp_notify_welcome begin(unsigned p, uint64_t known_epoch, uint64_t got)
{
	static struct heard h;
	struct mvp_notify_hello hello = { known_epoch, got };
	notify_open(p, true);
	if (!say(p, MVP_NOTIFY_HELLO, 0, &hello, sizeof(hello)) || !hear(p, &h) || h.head.type != MVP_NOTIFY_WELCOME)
		abort();
	return h.welcome;
}

static inline void take(unsigned p, uint64_t number)
{
	struct mvp_notify_result r = { MVP_NOTIFY_TAKEN, 0 };
	if (!say(p, MVP_NOTIFY_RESULT, number, &r, sizeof(r)))
		abort();
}

static inline void notify_reset(void)
{
	memset(peers, 0, sizeof(peers));
	epoch = 0;
	alerts_moved = yields = 0;
	may_yield = false;
	clock_seconds = 12 * 3600;
	host_time = 1000000;
	host_config = (struct mvp_vault_config){ .personas = 2,
						 .notify_queue = 64,
						 .notify_rate = 60000,
						 .rtc_pa = 1,
						 .persona = { { .name = "personal", .clipboard = 1 }, { .name = "work" } } };
	memset(host_config.persona[0].notify_level, MVP_NOTIFY_FULL, MVP_NOTIFY_CATEGORIES);
	memset(host_config.persona[1].notify_level, MVP_NOTIFY_TITLE, MVP_NOTIFY_CATEGORIES);
}

#endif

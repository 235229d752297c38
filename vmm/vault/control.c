/* The control port, `org.mvp.control`: how a program in a persona, its agent, takes part in the handset. Lines of ASCII end with LF; a CR
 * before it is dropped; a line has at most 4096 bytes. Each line is answered by one line, in order:
 *
 *     hello             mvp 1 NAME                the version of this protocol, the persona's name
 *     status            status front yes|no other locked|open|off lease SECONDS|none
 *                                                 whether the persona is in front, how it is with the other one, and until when the
 *                                                 managed persona may be used without an order
 *     switch            ok|denied                 brings the persona to the front or, if it is there, gives the screen away; denied unless
 *                                                 the configuration lets this persona ask, and within a second of the last time
 *     up                ok                        the persona has come up: the slot that it was started from is good
 *     alerts N          ok                        N, 0 to 999, alerts wait in this persona: shown in the trusted bar of the other one
 *     serial            serial NAME|none          which device this is; none: it is not provisioned, and takes no orders
 *     order BASE64      order accepted|refused    an order (mvp/order.h), which is carried out now or will be; a receipt tells more
 *     receipt           receipt N BASE64|none     the oldest receipt that nobody has acknowledged, and its sequence number
 *     receipt-done N    ok                        it has arrived where it is wanted: the device forgets it
 *     attest HEXNONCE   attest BASE64|none        what runs here, signed with the nonce of 8 to 64 bytes
 *     contact           ok                        nothing: only a signed order renews a lease
 *
 * Anything else is answered by `unknown`. What takes a signature is answered later, and not more often than twice a second; the lines
 * behind it wait. Without being asked the port says `front` or `behind` when that has changed; an agent that does not read learns the last
 * of it. The answers wait for the agent: what it writes is not taken while it does not read. */
#include "control.h"

#include "console.h"
#include "handset.h"
#include "job.h"
#include "lease.h"
#include "notify.h"
#include "timer.h"
#include "ui/front.h"

#define LINE_SIZE ORDERS_LINE_MAX
#define ALERTS_MAX 999
#define SWITCH_MS 1000
#define ALERTS_MS 100 /* the bar is drawn for new numbers this often at most */

enum wish { WISH_NONE, WISH_FRONT, WISH_BEHIND };
enum news { NEWS_NONE, NEWS_FRONT, NEWS_BEHIND };

struct agent {
	/* The port's */
	char line[LINE_SIZE];
	uint32_t len;
	bool too_long;
	/* Atomic */
	uint64_t not_before; /* counter: no switch until then */
	uint32_t wish;       /* enum wish, for CPU 0 */
	uint32_t news;       /* enum news, for the port */
	uint32_t alerts;
};

static struct agent agents[MVP_MAX_PERSONAS];
static uint32_t front;         /* atomic, CPU 0 writes */
static uint32_t alerts_dirty;  /* atomic: a number changed since the bar was told */
static uint64_t alerts_before; /* CPU 0; counter: the bar is not told until then */

static uint32_t get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void set(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static uint32_t take(uint32_t *p)
{
	return __atomic_exchange_n(p, 0, __ATOMIC_ACQ_REL);
}

/* Requests */

static bool is(const struct agent *a, const char *word)
{
	return a->len == text_len(word) && !memcmp(a->line, word, a->len);
}

static const char *how_is(unsigned persona)
{
	switch (__atomic_load_n(&personas[persona].state, __ATOMIC_RELAXED)) {
	case PERSONA_LOADING:
	case PERSONA_RUNNING:
		return "open";
	case PERSONA_OFF:
	case PERSONA_FAILED:
	case PERSONA_WIPING:
	case PERSONA_WIPED:
		return "off";
	default:
		return "locked";
	}
}

static size_t status(unsigned persona, char *ret, size_t size)
{
	unsigned other = (persona + 1) % mvp_vault_config.personas;
	const char *in_front = get(&front) == persona ? "yes" : "no", *how = other == persona ? "off" : how_is(other);
	uint64_t left = lease_left();
	if (left == UINT64_MAX)
		return text_format(ret, size, "status front %s other %s lease none\n", in_front, how);
	return text_format(ret, size, "status front %s other %s lease %lu\n", in_front, how, left);
}

static bool ask_switch(unsigned persona)
{
	struct agent *a = &agents[persona];
	uint64_t now = arch_counter();
	if (!mvp_vault_config.persona[persona].may_switch || now < __atomic_load_n(&a->not_before, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&a->not_before, now + arch_ms(SWITCH_MS), __ATOMIC_RELAXED);
	set(&a->wish, get(&front) == persona ? WISH_BEHIND : WISH_FRONT);
	hc(MVP_HC_DOORBELL, 0, 0, 0);
	return true;
}

bool control_yield(unsigned persona)
{
	return get(&front) == persona && ask_switch(persona);
}

/* The number behind `alerts `; false if there is none. */
static bool parse_alerts(const struct agent *a, uint32_t *ret)
{
	static const char word[] = "alerts ";
	uint32_t at = sizeof(word) - 1;
	*ret = 0;
	if (a->len <= at || a->len > at + 3 || memcmp(a->line, word, at))
		return false;
	for (; at < a->len; at++) {
		if (a->line[at] < '0' || a->line[at] > '9')
			return false;
		*ret = *ret * 10 + (uint32_t)(a->line[at] - '0');
	}
	return *ret <= ALERTS_MAX;
}

void control_alerts_moved(void)
{
	if (!__atomic_exchange_n(&alerts_dirty, 1, __ATOMIC_ACQ_REL))
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

static void set_alerts(unsigned persona, uint32_t count)
{
	if (__atomic_exchange_n(&agents[persona].alerts, count, __ATOMIC_ACQ_REL) != count)
		control_alerts_moved();
}

static size_t answer(unsigned persona, char *ret, size_t size)
{
	struct agent *a = &agents[persona];
	uint32_t count;
	if (a->too_long)
		return text_format(ret, size, "unknown\n");
	if (a->len && a->line[a->len - 1] == '\r')
		a->len--;
	if (is(a, "hello"))
		return text_format(ret, size, "mvp 1 %s\n", mvp_vault_config.persona[persona].name);
	if (is(a, "up")) {
		handset_persona_up(persona);
		return text_format(ret, size, "ok\n");
	}
	if (is(a, "status"))
		return status(persona, ret, size);
	if (is(a, "switch"))
		return text_format(ret, size, ask_switch(persona) ? "ok\n" : "denied\n");
	if (parse_alerts(a, &count)) {
		set_alerts(persona, count);
		return text_format(ret, size, "ok\n");
	}
	if (orders_ask(persona, a->line, a->len))
		return 0;
	if (a->len > 6 && !memcmp(a->line, "order ", 6)) /* no message at all: nothing to make a receipt of */
		return text_format(ret, size, "order refused\n");
	return text_format(ret, size, "unknown\n");
}

bool control_is_busy(unsigned persona)
{
	return orders_is_asked(persona);
}

size_t control_byte(unsigned persona, uint8_t c, char ret_answer[CONTROL_ANSWER_MAX])
{
	struct agent *a = &agents[persona];
	if (c != '\n') {
		if (a->len < LINE_SIZE)
			a->line[a->len++] = (char)c;
		else
			a->too_long = true;
		return 0;
	}
	size_t len = answer(persona, ret_answer, CONTROL_ANSWER_MAX);
	a->len = 0;
	a->too_long = false;
	return len;
}

/* Events */

void orders_answered(unsigned source)
{
	if (source < mvp_vault_config.personas)
		control_wake(source);
	else
		console_answer(source);
}

size_t control_event(unsigned persona, char ret_line[CONTROL_EVENT_MAX])
{
	size_t len = orders_answer(persona, ret_line);
	if (len)
		return len;
	uint32_t news = take(&agents[persona].news);
	if (news == NEWS_NONE)
		return 0;
	return text_format(ret_line, CONTROL_EVENT_MAX, news == NEWS_FRONT ? "front\n" : "behind\n");
}

void control_open(unsigned persona)
{
	struct agent *a = &agents[persona];
	a->len = 0;
	a->too_long = false;
	orders_forget(persona);
	set(&a->news, NEWS_NONE);
}

void control_plug(unsigned persona)
{
	control_open(persona);
	set(&agents[persona].wish, WISH_NONE);
	set_alerts(persona, 0);
}

unsigned control_alerts(unsigned persona)
{
	unsigned own = get(&agents[persona].alerts), sent = notify_alerts(persona);
	unsigned more = own > sent ? own : sent;
	return more < ALERTS_MAX ? more : ALERTS_MAX;
}

/* CPU 0 */

static void look_at_front(void)
{
	uint32_t now = front_persona(), before = get(&front);
	if (now == before)
		return;
	set(&front, now);
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		if (p != now && p != before)
			continue;
		set(&agents[p].news, p == now ? NEWS_FRONT : NEWS_BEHIND);
		control_wake(p);
	}
}

static void grant(unsigned persona)
{
	uint32_t wish = take(&agents[persona].wish);
	/* It may have come true since. */
	if (wish == WISH_NONE || (wish == WISH_FRONT) == (get(&front) == persona))
		return;
	/* The second counts from here, if this came late. */
	__atomic_store_n(&agents[persona].not_before, arch_counter() + arch_ms(SWITCH_MS), __ATOMIC_RELAXED);
	handset_switch();
}

static void tell_bar(void)
{
	uint64_t now = arch_counter();
	if (!get(&alerts_dirty))
		return;
	if (now < alerts_before) {
		timer_at(alerts_before);
		return;
	}
	alerts_before = now + arch_ms(ALERTS_MS);
	set(&alerts_dirty, 0);
	control_alerts_changed();
}

void control_poll(void)
{
	look_at_front();
	for (unsigned p = 0; p < mvp_vault_config.personas; p++)
		grant(p);
	look_at_front();
	tell_bar();
}

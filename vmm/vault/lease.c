#include "lease.h"

#include "clock.h"
#include "handset.h"
#include "identity.h"
#include "state.h"
#include "timer.h"
#include "ui/front.h"
#include "wipe.h"

#define LOOK_S 60u   /* between looks, and between two pictures of a countdown */
#define STORE_S 600u /* what a clock set back behind a power cut can win at most */
#define MINUTE 60u
#define HOUR 3600u
#define DAY 86400u

static bool started;     /* state and clock are what they should be */
static uint64_t look_at; /* counter value */
static uint64_t ends_at; /* likewise, 0: never. Atomic, for other CPUs */

void lease_start(void)
{
	struct mvp_state *s = state_edit();
	started = true;
	if (s->first_boot)
		return;
	s->first_boot = clock_now();
	s->lease_issued = s->first_boot;
	s->time = s->first_boot;
	state_commit();
}

/* A device that is not provisioned takes no orders, so nobody could renew its lease. */
static bool has_lease(void)
{
	return identity_get() == IDENTITY_SOUND;
}

static uint64_t lock_after(void)
{
	if (!has_lease())
		return 0;
	return state_get()->lease_ordered ? state_get()->lease_lock_after : mvp_vault_config.lock_after;
}

static uint64_t wipe_after(void)
{
	if (!has_lease())
		return 0;
	return state_get()->lease_ordered ? state_get()->lease_wipe_after : mvp_vault_config.wipe_after;
}

/* Seconds from `now` until `after` seconds from the lease's begin; UINT64_MAX if that is never, 0 if it was. */
static uint64_t left_at(uint64_t after, uint64_t now)
{
	uint64_t begin = state_get()->lease_issued;
	if (!after || after > UINT64_MAX - begin)
		return UINT64_MAX;
	return now >= begin + after ? 0 : begin + after - now;
}

static uint64_t left(uint64_t after)
{
	return left_at(after, clock_now());
}

static enum lease lease_at(uint64_t now)
{
	if (!left_at(wipe_after(), now))
		return LEASE_OVER;
	return left_at(lock_after(), now) ? LEASE_FINE : LEASE_LOCKED;
}

enum lease lease_get(void)
{
	return lease_at(clock_now());
}

bool lease_bars(void)
{
	return state_get()->barred || lease_get() != LEASE_FINE;
}

void lease_changed(void)
{
	look_at = 0;
}

static void store_time(void)
{
	struct mvp_state *s = state_edit();
	uint64_t now = clock_now();
	/* What it has come to stays: a clock set back afterwards does not open it again. */
	if ((now - s->time < STORE_S && lease_at(now) == lease_at(s->time)) || !state_is_idle())
		return;
	s->time = now;
	state_commit();
}

static void publish(uint64_t now, uint64_t seconds)
{
	bool ends = seconds != UINT64_MAX;
	__atomic_store_n(&ends_at, ends ? now + 1 + min_u64(seconds, UINT32_MAX) * arch_counter_hz() : 0, __ATOMIC_RELAXED);
}

uint64_t lease_left(void)
{
	uint64_t end = __atomic_load_n(&ends_at, __ATOMIC_RELAXED), now = arch_counter();
	return !end ? UINT64_MAX : end <= now ? 0 : (end - now) / arch_counter_hz();
}

void lease_poll(void)
{
	uint64_t now = arch_counter();
	if (!started || now < look_at)
		return;
	store_time();
	unsigned persona = handset_managed();
	uint64_t next = LOOK_S;
	publish(now, min_u64(left(lock_after()), left(wipe_after())));
	if (persona < mvp_vault_config.personas && state_get()->wipe == MVP_WIPE_NONE) {
		if (lease_get() == LEASE_OVER)
			wipe_start(MVP_CAUSE_LEASE);
		else
			handset_bar(persona, lease_bars());
		next = min_u64(next, min_u64(left(lock_after()), left(wipe_after())));
	}
	look_at = now + (next ? next : LOOK_S) * arch_counter_hz();
	timer_at(look_at);
	front_update();
}

static void describe_time(char *text, size_t size, const char *what, uint64_t s)
{
	unsigned long n = s >= 2 * DAY ? s / DAY : s >= 2 * HOUR ? s / HOUR : (s + MINUTE - 1) / MINUTE;
	text_format(text, size, "%s in %lu %s", what, n, s >= 2 * DAY ? "days" : s >= 2 * HOUR ? "hours" : "min");
}

void lease_describe(char *text, size_t size)
{
	const struct mvp_state *s = state_get();
	text[0] = 0;
	if (!started || s->wipe != MVP_WIPE_NONE)
		return;
	if (s->barred)
		text_format(text, size, "locked by order");
	else if (lease_get() == LEASE_LOCKED && left(wipe_after()) == UINT64_MAX)
		text_format(text, size, "lease ended");
	else if (lease_get() == LEASE_LOCKED)
		describe_time(text, size, "wiped", left(wipe_after()));
	else if (left(lock_after()) != UINT64_MAX)
		describe_time(text, size, "locks", left(lock_after()));
	else if (left(wipe_after()) != UINT64_MAX)
		describe_time(text, size, "wiped", left(wipe_after()));
}

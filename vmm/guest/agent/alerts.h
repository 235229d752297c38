/* The agent's end of the port org.mvp.notify. What is to be sent lies in the folder `out` until the vault has taken it; what came is
 * written to the folder `in` before the vault is told so. Both outlive the agent, so that it may end at any time and each item still
 * arrives once. */
#ifndef GUEST_AGENT_ALERTS_H
#define GUEST_AGENT_ALERTS_H

#include "item.h"

#define ALERTS_KEY_MAX 64u /* bytes of a sender's own name for an alert */
#define ALERTS_RECENT 128u /* of the alerts sent, whose names are known */
#define ALERTS_PATH_MAX 600u

struct alerts {
	const char *dir; /* state folder; must outlive this */
	uint64_t keep;   /* alerts that stay in `in` at most */
	int fd;          /* to be polled; -1: the port is not open */
	bool greeted;    /* WELCOME came */
	char persona[17], other[17];
	uint8_t in[MVP_NOTIFY_FRAME_MAX];
	size_t in_len;
	uint8_t out[2 * MVP_NOTIFY_FRAME_MAX];
	size_t out_len;
	/* Sending, one at a time */
	uint64_t taken;    /* last number that the vault has, or that was given away */
	uint64_t sending;  /* number of the item under way, 0: none */
	bool waiting;      /* it was sent and not answered */
	uint64_t retry_at; /* not before */
	uint64_t *waits;   /* names of the files that wait, oldest first, as they were last looked through */
	size_t waits_at, waits_count;
	uint64_t look_at; /* when to look for more */
	struct {
		uint64_t seq;
		char key[ALERTS_KEY_MAX + 1];
	} recent[ALERTS_RECENT];
	unsigned recent_at;
	/* Receiving */
	uint64_t epoch, got;
};

void alerts_start(struct alerts *a);
void alerts_open(struct alerts *a, int fd); /* fd is the port's from here on */
void alerts_close(struct alerts *a);
bool alerts_read(struct alerts *a); /* false: the port is to be closed */
bool alerts_write(struct alerts *a);
bool alerts_wants_write(const struct alerts *a);
/* Goes on with what there is to send; returns when to call again, UINT64_MAX: when something happens. */
uint64_t alerts_tick(struct alerts *a, uint64_t now);

/* Puts an item where an agent with this state folder finds it, running or not: it is on disk when this returns true, and will arrive; else
 * it will not. key: the sender's name for it, or "". */
bool alerts_spool(const char *dir, struct item *i, const char *key);
void alerts_look(struct alerts *a); /* somebody did so */
/* Withdraws the alerts that were sent under this name, or still wait; how many there were. */
unsigned alerts_withdraw(struct alerts *a, const char *key);

/* Dismisses or opens an alert of the other side (a kind of mvp/notify.h), here and there. False with errno if that cannot be stored.
 * ret_here: whether there was such an alert here. */
bool alerts_settle(struct alerts *a, uint8_t kind, uint64_t id, bool *ret_here);
/* The name under which one of the last alerts was sent; "" if it has none. */
const char *alerts_key_of(const struct alerts *a, uint64_t id);

/* One call for each alert that is there, the oldest first. */
void alerts_each(const struct alerts *a, void (*f)(void *context, const struct item *i), void *context);
bool alerts_remove(const struct alerts *a, uint64_t id); /* of the alerts there; false: there is none */

/* Supplied by the agent: an item came that never came before. */
void alerts_came(const struct item *i);
/* An alert of the other side is no longer there: alerts_settle(). */
void alerts_went(uint64_t id);

#endif

/* The agent's side of desktop.h: starts that process when a user's session has a bus, and speaks for it. */
#ifndef GUEST_AGENT_BUS_H
#define GUEST_AGENT_BUS_H

#include "alerts.h"

struct bus {
	/* Set before bus_tick(): "auto", "none", or the path of a bus's socket. */
	const char *where;
	struct alerts *alerts;
	int fd; /* the process's socket, to be polled; -1: it does not run */
	int pid;
	uint64_t at;    /* not before: look for a bus */
	uint64_t epoch; /* that it was told */
	bool ready;     /* it takes alerts */
};

/* Starts it if it is time; returns when to call again. */
uint64_t bus_tick(struct bus *b, uint64_t now);
void bus_read(struct bus *b); /* there is something to read */
void bus_stop(struct bus *b);
void bus_came(struct bus *b, const struct item *i);
void bus_went(struct bus *b, uint64_t id);

#endif

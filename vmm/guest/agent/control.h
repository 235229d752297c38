/* The agent's end of the control port: requests wait for their turn, each gets the one line that answers it. */
#ifndef GUEST_AGENT_CONTROL_H
#define GUEST_AGENT_CONTROL_H

#include "agent.h"

#define CONTROL_QUEUE 8u

enum control_asker { CONTROL_FOR_ORDERS, CONTROL_FOR_CLIENT, CONTROL_FOR_NOBODY };

struct control {
	int fd;       /* to be polled; -1: the port is not open */
	bool waiting; /* the first of the queue was sent */
	char in[AGENT_LINE_MAX + 1];
	size_t in_len;
	bool too_long;
	struct control_request {
		enum control_asker asker;
		uint32_t tag;
		char line[AGENT_LINE_MAX + 1]; /* with LF */
		size_t len, sent;
	} queue[CONTROL_QUEUE];
	size_t count;
};

/* fd is the control's from here on. */
void control_start(struct control *c, int fd);
/* The port is gone: everything that waits gets the answer NULL. */
void control_stop(struct control *c);
/* False if too much waits, the line is too long, or the port is not open. line: without LF. */
bool control_ask(struct control *c, enum control_asker asker, uint32_t tag, const char *line);
bool control_wants_write(const struct control *c);
/* The port can be read, written. False if it is gone: then control_stop(). */
bool control_read(struct control *c);
bool control_write(struct control *c);

/* Supplied by whoever uses it: the line that answers a request, without LF; NULL: there will be none. And what the port says unasked:
 * the persona came to the front, or went behind. */
void control_answer(enum control_asker asker, uint32_t tag, const char *line);
void control_event(bool front);

#endif

#include "control.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void control_start(struct control *c, int fd)
{
	c->fd = fd;
	c->waiting = c->too_long = false;
	c->in_len = c->count = 0;
}

static void pop(struct control *c, const char *answer)
{
	enum control_asker asker = c->queue[0].asker;
	uint32_t tag = c->queue[0].tag;
	c->count--;
	c->waiting = false;
	memmove(c->queue, c->queue + 1, c->count * sizeof(c->queue[0]));
	control_answer(asker, tag, answer);
}

void control_stop(struct control *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	for (size_t n = c->count; n; n--)
		pop(c, NULL);
}

bool control_ask(struct control *c, enum control_asker asker, uint32_t tag, const char *line)
{
	struct control_request *r = &c->queue[c->count];
	if (c->fd < 0 || c->count == CONTROL_QUEUE || !agent_format(r->line, sizeof(r->line), "%s\n", line))
		return false;
	r->asker = asker;
	r->tag = tag;
	r->len = strlen(r->line);
	r->sent = 0;
	c->count++;
	return true;
}

bool control_wants_write(const struct control *c)
{
	return c->fd >= 0 && c->count && !c->waiting;
}

bool control_write(struct control *c)
{
	struct control_request *r = &c->queue[0];
	if (!control_wants_write(c))
		return true;
	ssize_t n = write(c->fd, r->line + r->sent, r->len - r->sent);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	r->sent += (size_t)n;
	c->waiting = r->sent == r->len;
	return true;
}

static void take_line(struct control *c, const char *line)
{
	if (strcmp(line, "front") == 0 || strcmp(line, "behind") == 0)
		control_event(line[0] == 'f');
	else if (c->waiting)
		pop(c, line);
	else
		agent_log("an answer that nobody asked for: %s", line);
}

bool control_read(struct control *c)
{
	uint8_t piece[1024];
	ssize_t n = read(c->fd, piece, sizeof(piece));
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	for (ssize_t i = 0; i < n && c->fd >= 0; i++) {
		if (piece[i] != '\n') {
			if (c->in_len < AGENT_LINE_MAX && piece[i])
				c->in[c->in_len++] = (char)piece[i];
			else
				c->too_long = true;
			continue;
		}
		c->in[c->too_long ? 0 : c->in_len] = 0; /* an empty answer means nothing to anybody */
		c->in_len = 0;
		c->too_long = false;
		take_line(c, c->in);
	}
	return true;
}

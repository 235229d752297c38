/* docs/interop/qmp-spec.txt of QEMU: each message is a JSON object in a line of its own. */
#include "cli/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"

enum { ANSWER_MS = 20000, PIECE = 65536 };

void qmp_fini(struct qmp *q)
{
	fd_closep(&q->fd);
	buf_fini(&q->in);
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads a piece of what comes within the time. False: nothing came, or the connection is over. */
static bool receive(struct qmp *q, int64_t wait_ms)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	char piece[PIECE];
	ssize_t n;
	if (q->fd < 0 || poll(&p, 1, wait_ms > 0 ? (int)wait_ms : 0) <= 0)
		return false;
	n = recv(q->fd, piece, sizeof(piece), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0 && !buf_append(&q->in, piece, (size_t)n))
		return true;
	fd_closep(&q->fd); /* QEMU ended, or talks nonsense */
	return false;
}

/* The next whole message; NULL: there is none yet. Events are taken in on the way. */
static json_t *next_message(struct qmp *q)
{
	const uint8_t *end;
	while (q->in.len && (end = memchr(q->in.data, '\n', q->in.len))) {
		size_t len = (size_t)(end - q->in.data) + 1;
		json_t *m = json_loadb((const char *)q->in.data, len, 0, NULL);
		const char *event = json_string_value(json_object_get(m, "event"));
		memmove(q->in.data, q->in.data + len, q->in.len - len);
		q->in.len -= len;
		if (m && !event)
			return m;
		q->off |= event && strcmp(event, "SHUTDOWN") == 0;
		json_decref(m);
	}
	return NULL;
}

static json_t *wait_message(struct qmp *q)
{
	int64_t end = now_ms() + ANSWER_MS;
	json_t *m;
	while (!(m = next_message(q))) {
		int64_t left = end - now_ms();
		if (left <= 0 || q->fd < 0)
			return NULL;
		(void)receive(q, left);
	}
	return m;
}

/* Sends a command (borrowed) and returns the answer; NULL: none came. */
static json_t *execute(struct qmp *q, const json_t *command)
{
	char *json = json_dumps(command, JSON_COMPACT), *text = mem_printf("%s\n", json ? json : "");
	bool sent = json && q->fd >= 0 && send(q->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
	free(json);
	free(text);
	if (!sent)
		fd_closep(&q->fd); /* QEMU ended between two looks */
	return sent ? wait_message(q) : NULL;
}

bool qmp_begin(struct qmp *q, int fd)
{
	json_t *greeting, *command = json_pack("{s:s}", "execute", "qmp_capabilities"), *answer = NULL;
	bool good;
	q->fd = fd;
	greeting = wait_message(q);
	if (json_object_get(greeting, "QMP"))
		answer = execute(q, command);
	good = json_object_get(answer, "return") != NULL;
	json_decref(greeting);
	json_decref(command);
	json_decref(answer);
	return good;
}

void qmp_poll(struct qmp *q)
{
	json_t *m;
	while (receive(q, 0))
		continue;
	while ((m = next_message(q)))
		json_decref(m); /* nobody waits for an answer */
}

bool qmp_screendump(struct qmp *q, const char *path, char **ret_why)
{
	json_t *command = json_pack("{s:s,s:{s:s,s:s}}", "execute", "screendump", "arguments", "filename", path, "format", "png");
	json_t *answer = execute(q, command);
	const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
	bool done = json_object_get(answer, "return") != NULL;
	if (!done)
		*ret_why = mem_strdup(why ? why : "QEMU does not answer");
	json_decref(command);
	json_decref(answer);
	return done;
}

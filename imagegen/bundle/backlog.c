#include "imagegen/bundle/backlog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"

#define PIECE ((size_t)MIB)

/* What the file holds of a piece, in front of its data. */
struct entry {
	uint64_t part, at, len;
	uint64_t data; /* 1: its bytes follow; 0: a hole */
};

struct backlog {
	char *dir;
	int fd;
	uint64_t room; /* the file is a ring of so many bytes */
	backlog_fn take;
	void *ctx;
	uint8_t *buf; /* the thread's */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t put, taken; /* bytes that went in and came out; under the lock, as what follows */
	bool ended, stop, failed;
	bool started;
	pthread_t thread;
	struct diag *diag; /* the thread's, until that has failed or ended */
};

int backlog_new(const char *dir, uint64_t room, backlog_fn take, void *ctx, struct backlog **ret_s, struct diag *d)
{
	struct loc loc = LOC_FILE(dir);
	int fd = tmpfile_unlinked(dir);
	if (fd < 0)
		return diag_fail(d, MVP0811, &loc, "cannot make a temporary file there: %s", strerror(-fd));
	struct backlog *s = mem_new(struct backlog);
	s->dir = mem_strdup(dir);
	s->fd = fd;
	s->room = room;
	s->take = take;
	s->ctx = ctx;
	s->buf = mem_zeroed(1, PIECE);
	s->diag = diag_new();
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	*ret_s = s;
	return 0;
}

static int io_failed(const struct backlog *s, int error, struct diag *d)
{
	struct loc loc = LOC_FILE(s->dir);
	return diag_fail(d, MVP0811, &loc, "a temporary file there: %s", strerror(-error));
}

/* One of both directions, at byte at of all that goes through the ring. */
static int write_ring(const struct backlog *s, const void *data, size_t len, uint64_t at)
{
	size_t first = (size_t)num_min(len, s->room - at % s->room);
	int r = io_pwrite_all(s->fd, data, first, at % s->room);
	return r || first == len ? r : io_pwrite_all(s->fd, (const uint8_t *)data + first, len - first, 0);
}

static int read_ring(const struct backlog *s, void *data, size_t len, uint64_t at)
{
	size_t first = (size_t)num_min(len, s->room - at % s->room);
	int r = io_pread_all(s->fd, data, first, at % s->room);
	return r || first == len ? r : io_pread_all(s->fd, (uint8_t *)data + first, len - first, 0);
}

/* The entry at byte *at, which goes to the next one. */
static int take_entry(struct backlog *s, uint64_t *at)
{
	struct entry e;
	int r = read_ring(s, &e, sizeof(e), *at);
	if (r == 0 && e.data)
		r = read_ring(s, s->buf, (size_t)e.len, *at + sizeof(e));
	if (r < 0)
		return io_failed(s, r, s->diag);
	*at += sizeof(e) + (e.data ? e.len : 0);
	return s->take(s->ctx, (size_t)e.part, e.at, e.data ? s->buf : NULL, e.len, s->diag);
}

static void *run(void *ctx)
{
	struct backlog *s = ctx;
	(void)pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->failed) {
		uint64_t at = s->taken;
		if (at == s->put && s->ended)
			break;
		if (at == s->put) {
			(void)pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&s->lock);
		int r = take_entry(s, &at);
		(void)pthread_mutex_lock(&s->lock);
		s->failed = r < 0;
		s->taken = at;
		(void)pthread_cond_broadcast(&s->changed);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void end(struct backlog *s, bool stop)
{
	(void)pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->stop |= stop;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->started)
		(void)pthread_join(s->thread, NULL);
	s->started = false;
}

/* The thread has failed: what it said is said to the caller, once. */
static int failed(struct backlog *s, struct diag *d)
{
	end(s, true);
	if (s->diag)
		diag_merge(d, TAKE(s->diag));
	return -1;
}

/* Waits for room for len bytes; false if the thread has failed. */
static bool wait_for_room(struct backlog *s, uint64_t len)
{
	(void)pthread_mutex_lock(&s->lock);
	while (!s->failed && s->room - (s->put - s->taken) < len)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	bool ok = !s->failed;
	(void)pthread_mutex_unlock(&s->lock);
	return ok;
}

static int put_entry(struct backlog *s, const struct entry *e, const void *data, struct diag *d)
{
	uint64_t len = sizeof(*e) + (data ? e->len : 0);
	if (!wait_for_room(s, len))
		return failed(s, d);
	int r = write_ring(s, e, sizeof(*e), s->put);
	if (r == 0 && data)
		r = write_ring(s, data, (size_t)e->len, s->put + sizeof(*e));
	if (r < 0)
		return io_failed(s, r, d);
	(void)pthread_mutex_lock(&s->lock);
	s->put += len;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	return 0;
}

int backlog_put(struct backlog *s, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	const uint8_t *p = data;
	if (!s->started) {
		int error = pthread_create(&s->thread, NULL, run, s);
		if (error)
			return diag_fail(d, MVP0001, NULL, "cannot start a thread: %s", strerror(error));
		s->started = true;
	}
	while (len) {
		const struct entry e = { .part = part, .at = at, .len = p ? num_min(len, PIECE) : len, .data = p != NULL };
		if (put_entry(s, &e, p, d) < 0)
			return -1;
		p = p ? p + e.len : NULL;
		at += e.len;
		len -= e.len;
	}
	return 0;
}

int backlog_end(struct backlog *s, struct diag *d)
{
	end(s, false);
	return s->failed ? failed(s, d) : 0;
}

void backlog_free(struct backlog *s)
{
	if (!s)
		return;
	end(s, true);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	diag_free(s->diag);
	fd_closep(&s->fd);
	free(s->dir);
	free(s->buf);
	free(s);
}

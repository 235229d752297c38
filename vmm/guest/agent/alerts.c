#include "alerts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Names of the files: out/NUMBER waits, named by the time of its coming in nanoseconds; out/send-SEQ is under way under that number;
 * in/NUMBER came. Twenty digits sort as numbers do. */
#define LOOK_MS 5000u /* for what was spooled by somebody who did not say so */
#define NUMBER "%020llu"

typedef unsigned long long ull;

__attribute__((format(printf, 3, 4))) static const char *path_of(const struct alerts *a, char ret[ALERTS_PATH_MAX], const char *format, ...)
{
	size_t n = strlen(a->dir);
	va_list args;
	va_start(args, format);
	if (n + 64 < ALERTS_PATH_MAX) {
		memcpy(ret, a->dir, n);
		ret[n] = '/';
		(void)vsnprintf(ret + n + 1, ALERTS_PATH_MAX - n - 1, format, args);
	} else {
		ret[0] = 0;
	}
	va_end(args);
	return ret;
}

/* Folders */

static int newest_last(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The numbers of the files PREFIX NUMBER in a folder, ascending; free() the result. */
static uint64_t *numbers_in(const struct alerts *a, const char *folder, const char *prefix, size_t *ret_count)
{
	char path[ALERTS_PATH_MAX];
	uint64_t *list = NULL;
	size_t count = 0, room = 0;
	DIR *dir = opendir(path_of(a, path, "%s", folder));
	const struct dirent *e;
	*ret_count = 0;
	while (dir && (e = readdir(dir))) {
		const char *digits = agent_after(e->d_name, prefix);
		uint64_t v;
		if (!digits || strlen(digits) != 20 || !agent_number(digits, UINT64_MAX, &v))
			continue;
		if (count == room) {
			uint64_t *more = reallocarray(list, room * 2 + 64, sizeof(*list));
			if (!more)
				break;
			list = more;
			room = room * 2 + 64;
		}
		list[count++] = v;
	}
	if (dir)
		(void)closedir(dir);
	if (count)
		qsort(list, count, sizeof(*list), newest_last);
	*ret_count = count;
	return list;
}

/* What came in the last life: epoch and number. */
static void load_got(struct alerts *a)
{
	char path[ALERTS_PATH_MAX], text[64];
	if (agent_read_file(path_of(a, path, "got"), text, sizeof(text)) < 0)
		return;
	ull epoch, got;
	if (sscanf(text, "%llx %llu", &epoch, &got) == 2) { /* NOLINT(cert-err34-c): our own file */
		a->epoch = epoch;
		a->got = got;
	}
}

static bool save_got(const struct alerts *a, uint64_t epoch, uint64_t got)
{
	char path[ALERTS_PATH_MAX], text[64];
	(void)agent_format(text, sizeof(text), "%llx %llu\n", (ull)epoch, (ull)got);
	return agent_write_file(path_of(a, path, "got"), text, strlen(text));
}

void alerts_start(struct alerts *a)
{
	char path[ALERTS_PATH_MAX];
	size_t count;
	a->fd = -1;
	if ((mkdir(path_of(a, path, "out"), 0700) != 0 && errno != EEXIST) || (mkdir(path_of(a, path, "in"), 0700) != 0 && errno != EEXIST))
		agent_log("'%s': %s: alerts will be lost", path, strerror(errno));
	uint64_t *list = numbers_in(a, "out", "send-", &count);
	a->sending = count ? list[count - 1] : 0;
	free(list);
	load_got(a);
}

/* Frames */

static bool put_frame(struct alerts *a, uint8_t type, uint64_t seq, const void *body, size_t len)
{
	struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, type, (uint32_t)len, seq };
	if (len > MVP_NOTIFY_BODY_MAX || sizeof(a->out) - a->out_len < sizeof(h) + len)
		return false;
	memcpy(a->out + a->out_len, &h, sizeof(h));
	memcpy(a->out + a->out_len + sizeof(h), body, len);
	a->out_len += sizeof(h) + len;
	return true;
}

void alerts_open(struct alerts *a, int fd)
{
	struct mvp_notify_hello hello = { a->epoch, a->got };
	a->fd = fd;
	a->greeted = a->waiting = false;
	a->in_len = a->out_len = 0;
	a->retry_at = 0;
	(void)put_frame(a, MVP_NOTIFY_HELLO, 0, &hello, sizeof(hello));
}

void alerts_close(struct alerts *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->greeted = a->waiting = false;
	a->in_len = a->out_len = 0;
}

/* Sending */

/* A file of `out`: the length of the key, the key, the item. */
static bool read_out(const struct alerts *a, uint64_t seq, uint8_t *ret, size_t size, size_t *ret_len, char key[ALERTS_KEY_MAX + 1])
{
	char path[ALERTS_PATH_MAX];
	long len = agent_read_file(path_of(a, path, "out/send-" NUMBER, (ull)seq), ret, size);
	size_t key_len = len > 0 ? ret[0] : 0;
	if (len < 1 || key_len > ALERTS_KEY_MAX || (size_t)len < 1 + key_len + sizeof(struct mvp_notify_item))
		return false;
	memcpy(key, ret + 1, key_len);
	key[key_len] = 0;
	*ret_len = (size_t)len - 1 - key_len;
	memmove(ret, ret + 1 + key_len, *ret_len);
	return true;
}

static void sent(struct alerts *a, bool taken)
{
	static uint8_t data[ALERTS_KEY_MAX + MVP_NOTIFY_BODY_MAX + 2];
	char path[ALERTS_PATH_MAX], key[ALERTS_KEY_MAX + 1];
	size_t len;
	if (taken && read_out(a, a->sending, data, sizeof(data), &len, key) && key[0]) {
		a->recent[a->recent_at].seq = a->sending;
		memcpy(a->recent[a->recent_at].key, key, sizeof(key));
		a->recent_at = (a->recent_at + 1) % ALERTS_RECENT;
	}
	(void)unlink(path_of(a, path, "out/send-" NUMBER, (ull)a->sending));
	a->sending = 0;
	a->waiting = false;
	a->retry_at = 0;
}

/* Gives the oldest that waits a number. */
static bool pick(struct alerts *a)
{
	char from[ALERTS_PATH_MAX], to[ALERTS_PATH_MAX];
	while (a->waits_at < a->waits_count) {
		uint64_t seq = a->taken + 1;
		(void)path_of(a, from, "out/" NUMBER, (ull)a->waits[a->waits_at++]);
		if (rename(from, path_of(a, to, "out/send-" NUMBER, (ull)seq)) != 0)
			continue; /* withdrawn */
		/* On disk before the vault has it, or a persona that is reset now would send it under another number. */
		(void)agent_sync_folder(path_of(a, from, "out"));
		a->sending = seq;
		a->taken = seq;
		return true;
	}
	return false;
}

void alerts_look(struct alerts *a)
{
	a->look_at = 0;
}

/* Names only grow, so what comes later stands behind what is there. */
static void look(struct alerts *a, uint64_t now)
{
	if (a->waits_at < a->waits_count || now < a->look_at)
		return;
	free(a->waits);
	a->waits = numbers_in(a, "out", "", &a->waits_count);
	a->waits_at = 0;
	a->look_at = now + LOOK_MS;
}

uint64_t alerts_tick(struct alerts *a, uint64_t now)
{
	static uint8_t data[ALERTS_KEY_MAX + MVP_NOTIFY_BODY_MAX + 2];
	char key[ALERTS_KEY_MAX + 1];
	size_t len;
	if (!a->greeted || a->waiting)
		return UINT64_MAX;
	if (now < a->retry_at)
		return a->retry_at;
	look(a, now);
	while (a->sending || pick(a)) {
		if (!read_out(a, a->sending, data, sizeof(data), &len, key) || len > MVP_NOTIFY_BODY_MAX) {
			agent_log("an alert in '%s/out' is damaged and dropped", a->dir);
			sent(a, false);
			continue;
		}
		a->waiting = put_frame(a, MVP_NOTIFY_ITEM, a->sending, data, len);
		return UINT64_MAX;
	}
	return a->look_at;
}

bool alerts_spool(const char *dir, struct item *i, const char *key)
{
	static uint8_t data[1 + ALERTS_KEY_MAX + MVP_NOTIFY_BODY_MAX];
	const struct alerts a = { .dir = dir };
	char path[ALERTS_PATH_MAX], hidden[ALERTS_PATH_MAX];
	size_t key_len = strlen(key);
	struct timespec t;
	if (key_len > ALERTS_KEY_MAX)
		return false;
	data[0] = (uint8_t)key_len;
	for (size_t k = 0; k < key_len; k++)
		data[1 + k] = (uint8_t)key[k];
	size_t len = 1 + key_len + item_pack(i, data + 1 + key_len);
	(void)mkdir(dir, 0700);
	(void)mkdir(path_of(&a, path, "out"), 0700);
	(void)path_of(&a, hidden, "out/.%ld", (long)getpid());
	bool ok = agent_write_new(hidden, data, len), placed = false;
	clock_gettime(CLOCK_REALTIME, &t);
	/* Under the first name that is free, in one step; behind all that waits, should the clock have been set back. */
	size_t waits;
	uint64_t *list = numbers_in(&a, "out", "", &waits), n = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	if (waits && n <= list[waits - 1])
		n = list[waits - 1] + 1;
	free(list);
	for (; ok && !placed; n++) {
		placed = link(hidden, path_of(&a, path, "out/" NUMBER, (ull)n)) == 0;
		ok = placed || errno == EEXIST;
	}
	int error = errno;
	(void)unlink(hidden);
	ok = placed && agent_sync_folder(path_of(&a, path, "out"));
	errno = placed ? errno : error;
	return ok;
}

unsigned alerts_withdraw(struct alerts *a, const char *key)
{
	static uint8_t data[ALERTS_KEY_MAX + MVP_NOTIFY_BODY_MAX + 2];
	char path[ALERTS_PATH_MAX];
	unsigned count = 0;
	size_t n = strlen(key);
	size_t waits;
	uint64_t *list = numbers_in(a, "out", "", &waits);
	for (size_t k = 0; n && k < waits; k++) {
		long len = agent_read_file(path_of(a, path, "out/" NUMBER, (ull)list[k]), data, sizeof(data));
		if (len > (long)n && data[0] == n && memcmp(data + 1, key, n) == 0 && unlink(path) == 0)
			count++;
	}
	free(list);
	for (size_t k = 0; n && k < ALERTS_RECENT; k++) {
		struct item i = { .fields = { .kind = MVP_NOTIFY_DISMISS, .flags = MVP_NOTIFY_MINE, .id = a->recent[k].seq } };
		if (strcmp(a->recent[k].key, key) != 0 || !alerts_spool(a->dir, &i, ""))
			continue;
		a->recent[k].key[0] = 0;
		count++;
	}
	alerts_look(a);
	return count;
}

bool alerts_settle(struct alerts *a, uint8_t kind, uint64_t id, bool *ret_here)
{
	struct item i = { .fields = { .kind = kind, .id = id } };
	*ret_here = false;
	if (!alerts_spool(a->dir, &i, ""))
		return false;
	alerts_look(a);
	*ret_here = alerts_remove(a, id);
	alerts_went(id);
	return true;
}

const char *alerts_key_of(const struct alerts *a, uint64_t id)
{
	for (size_t k = 0; id && k < ALERTS_RECENT; k++) {
		if (a->recent[k].seq == id)
			return a->recent[k].key;
	}
	return "";
}

/* Receiving */

static void keep_some(const struct alerts *a)
{
	char path[ALERTS_PATH_MAX];
	size_t count;
	uint64_t *list = numbers_in(a, "in", "", &count);
	for (size_t i = 0; i + a->keep < count; i++)
		(void)unlink(path_of(a, path, "in/" NUMBER, (ull)list[i]));
	free(list);
}

/* An alert is written down before its number is, and both before the vault is told: what comes a second time replaces the same file. */
static bool take_item(struct alerts *a, uint64_t number, const uint8_t *data, size_t len)
{
	static struct item i;
	static unsigned since_clean;
	char path[ALERTS_PATH_MAX];
	struct mvp_notify_result r = { MVP_NOTIFY_TAKEN, 0 };
	bool known = number <= a->got;
	if (!item_unpack(data, len, &i)) {
		agent_log("the vault sent something that is no item");
		return false;
	}
	if (!known && i.fields.kind == MVP_NOTIFY_ALERT && !agent_write_file(path_of(a, path, "in/" NUMBER, (ull)number), data, len)) {
		agent_log("'%s': %s", path, strerror(errno));
		return false; /* it waits in the vault */
	}
	if (!known && !save_got(a, a->epoch, number)) {
		agent_log("'%s/got': %s", a->dir, strerror(errno));
		return false;
	}
	if (!put_frame(a, MVP_NOTIFY_RESULT, number, &r, sizeof(r)))
		return false;
	if (known)
		return true;
	a->got = number;
	if (i.fields.kind == MVP_NOTIFY_DISMISS && !(i.fields.flags & MVP_NOTIFY_MINE))
		(void)alerts_remove(a, i.fields.id);
	if (++since_clean % 32 == 0)
		keep_some(a);
	alerts_came(&i);
	return true;
}

static bool take_welcome(struct alerts *a, const struct mvp_notify_welcome *w)
{
	char path[ALERTS_PATH_MAX];
	(void)agent_format(a->persona, sizeof(a->persona), "%.16s", w->persona);
	(void)agent_format(a->other, sizeof(a->other), "%.16s", w->other);
	if (w->epoch != a->epoch) {
		/* The handset was off: numbers begin again, so the old ones must not be in the way of the new. */
		size_t count;
		uint64_t *list = numbers_in(a, "in", "", &count);
		for (size_t i = 0; i < count; i++)
			(void)unlink(path_of(a, path, "in/" NUMBER, (ull)list[i]));
		free(list);
		if (!save_got(a, w->epoch, 0)) {
			agent_log("'%s/got': %s", a->dir, strerror(errno));
			return false;
		}
		a->epoch = w->epoch;
		a->got = 0;
	}
	a->taken = w->taken;
	if (a->sending && a->sending <= a->taken)
		sent(a, true);
	if (a->sending)
		a->taken = a->sending;
	a->greeted = true;
	return true;
}

static void take_result(struct alerts *a, uint64_t seq, const struct mvp_notify_result *r)
{
	if (!a->sending || seq != a->sending)
		return;
	if (r->answer == MVP_NOTIFY_BUSY) {
		a->waiting = false;
		a->retry_at = agent_now_ms() + (r->wait_ms < 60000 ? r->wait_ms : 60000);
		return;
	}
	sent(a, r->answer == MVP_NOTIFY_TAKEN);
}

static bool take_frame(struct alerts *a, const struct mvp_notify_head *h, const uint8_t *body)
{
	union {
		struct mvp_notify_welcome welcome;
		struct mvp_notify_result result;
		struct mvp_notify_error error;
	} u;
	if (h->type == MVP_NOTIFY_ITEM && a->greeted && h->seq)
		return take_item(a, h->seq, body, h->len);
	if (h->len > sizeof(u))
		return false;
	memset(&u, 0, sizeof(u));
	memcpy(&u, body, h->len);
	if (h->type == MVP_NOTIFY_WELCOME && h->len == sizeof(u.welcome) && !a->greeted)
		return take_welcome(a, &u.welcome);
	if (h->type == MVP_NOTIFY_RESULT && h->len == sizeof(u.result)) {
		take_result(a, h->seq, &u.result);
		return true;
	}
	if (h->type == MVP_NOTIFY_ERROR && h->len == sizeof(u.error)) {
		agent_log("the vault refuses what this agent says (%u)", (unsigned)u.error.why);
		/* Or it would be refused again and again. */
		if (u.error.why == MVP_NOTIFY_WRONG_ITEM && a->sending)
			sent(a, false);
	}
	return false;
}

bool alerts_read(struct alerts *a)
{
	ssize_t n = read(a->fd, a->in + a->in_len, sizeof(a->in) - a->in_len);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	a->in_len += (size_t)n;
	for (;;) {
		struct mvp_notify_head h;
		if (a->in_len < sizeof(h))
			return true;
		memcpy(&h, a->in, sizeof(h));
		if (h.magic != MVP_NOTIFY_MAGIC || h.version != MVP_NOTIFY_VERSION || h.len > MVP_NOTIFY_BODY_MAX) {
			agent_log("the vault does not speak this protocol");
			return false;
		}
		if (a->in_len < sizeof(h) + h.len)
			return true;
		if (!take_frame(a, &h, a->in + sizeof(h)))
			return false;
		a->in_len -= sizeof(h) + h.len;
		memmove(a->in, a->in + sizeof(h) + h.len, a->in_len);
	}
}

bool alerts_wants_write(const struct alerts *a)
{
	return a->fd >= 0 && a->out_len;
}

bool alerts_write(struct alerts *a)
{
	ssize_t n = write(a->fd, a->out, a->out_len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	a->out_len -= (size_t)n;
	memmove(a->out, a->out + n, a->out_len);
	return true;
}

/* What is there */

void alerts_each(const struct alerts *a, void (*f)(void *context, const struct item *i), void *context)
{
	static uint8_t data[MVP_NOTIFY_BODY_MAX + 1];
	static struct item i;
	char path[ALERTS_PATH_MAX];
	size_t count;
	uint64_t *list = numbers_in(a, "in", "", &count);
	for (size_t k = 0; k < count; k++) {
		long len = agent_read_file(path_of(a, path, "in/" NUMBER, (ull)list[k]), data, sizeof(data));
		if (len > 0 && item_unpack(data, (size_t)len, &i))
			f(context, &i);
	}
	free(list);
}

bool alerts_remove(const struct alerts *a, uint64_t id)
{
	static uint8_t data[MVP_NOTIFY_BODY_MAX + 1];
	static struct item i;
	char path[ALERTS_PATH_MAX];
	size_t count;
	bool found = false;
	uint64_t *list = numbers_in(a, "in", "", &count);
	for (size_t k = 0; k < count; k++) {
		long len = agent_read_file(path_of(a, path, "in/" NUMBER, (ull)list[k]), data, sizeof(data));
		found |= len > 0 && item_unpack(data, (size_t)len, &i) && i.fields.id == id && unlink(path) == 0;
	}
	free(list);
	return found;
}

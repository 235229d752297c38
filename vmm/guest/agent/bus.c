#include "bus.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "desktop.h"

#define LOOK_MS 3000u
#define SESSIONS "/run/user"
#define SOCKET_BYTES (1 << 20) /* what waits for the process: all that it is given at its start */
#define CATCH_UP 64u           /* alerts that are shown then at most, the last ones */

typedef unsigned long long ull;

/* The user whose session it is; false if there is no such socket. */
static bool owner_of(const char *path, uid_t *ret_uid, gid_t *ret_gid)
{
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	*ret_uid = st.st_uid;
	*ret_gid = st.st_gid;
	return true;
}

/* The bus of the user with the smallest number who has one. Its folder says whose it is, and its socket has to be the same user's. */
static bool find(char *ret, size_t size, uid_t *ret_uid, gid_t *ret_gid)
{
	uint64_t best = UINT64_MAX, uid;
	DIR *dir = opendir(SESSIONS);
	const struct dirent *e;
	while (dir && (e = readdir(dir))) {
		char path[64];
		uid_t owner;
		gid_t group;
		if (!agent_number(e->d_name, UINT32_MAX - 1, &uid) || uid >= best ||
		    !agent_format(path, sizeof(path), SESSIONS "/%s/bus", e->d_name) || !owner_of(path, &owner, &group) || owner != uid)
			continue;
		best = uid;
		*ret_uid = owner;
		*ret_gid = group;
		(void)agent_format(ret, size, "%s", path);
	}
	if (dir)
		(void)closedir(dir);
	return best != UINT64_MAX;
}

static _Noreturn void child(int fd, const char *path, uid_t uid, gid_t gid)
{
	char bus[128], name[] = "mvp-agent", word[] = "desktop";
	sigset_t none;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	/* What comes from the session is handled with no more than its user's rights. */
	bool ok = geteuid() != 0 || (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0);
	if (!ok || !agent_format(bus, sizeof(bus), "%s", path) || dup2(fd, STDIN_FILENO) < 0)
		_exit(1);
	char *const argv[] = { name, word, bus, NULL };
	(void)execv("/proc/self/exe", argv);
	_exit(1);
}

static void start(struct bus *b)
{
	char path[128];
	uid_t uid = 0;
	gid_t gid = 0;
	int fds[2], bytes = SOCKET_BYTES;
	bool automatic = strcmp(b->where, "auto") == 0;
	if (automatic ? !find(path, sizeof(path), &uid, &gid)
		      : !agent_format(path, sizeof(path), "%s", b->where) || !owner_of(path, &uid, &gid))
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return;
	if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	pid_t pid = fork();
	if (pid == 0)
		child(fds[1], path, uid, gid);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return;
	}
	b->fd = fds[0];
	b->pid = pid;
	b->ready = false;
	b->epoch = 0;
}

void bus_stop(struct bus *b)
{
	if (b->fd < 0)
		return;
	close(b->fd);
	b->fd = -1;
	(void)kill(b->pid, SIGKILL);
	while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Who does not read is started anew. */
static void give(struct bus *b, const void *data, size_t len)
{
	if (b->fd >= 0 && send(b->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		bus_stop(b);
}

__attribute__((format(printf, 2, 3))) static void give_text(struct bus *b, const char *format, ...)
{
	char text[128];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		give(b, text, (size_t)n);
}

uint64_t bus_tick(struct bus *b, uint64_t now)
{
	if (strcmp(b->where, "none") == 0)
		return UINT64_MAX;
	if (b->fd < 0 && now >= b->at) {
		b->at = now + LOOK_MS;
		start(b);
	}
	/* The vault's numbers began again: what it knows of them is another alert's. */
	if (b->fd >= 0 && b->epoch && b->epoch != b->alerts->epoch)
		bus_stop(b);
	if (b->fd >= 0 && !b->epoch && b->alerts->greeted) {
		b->epoch = b->alerts->epoch;
		give_text(b, "H%llx %s", (ull)b->epoch, b->alerts->other);
	}
	return b->fd < 0 ? b->at : UINT64_MAX;
}

static void give_item(struct bus *b, const struct item *i)
{
	uint8_t packet[1 + MVP_NOTIFY_BODY_MAX];
	struct item copy = *i;
	packet[0] = 'I';
	give(b, packet, 1 + item_pack(&copy, packet + 1));
}

/* The last of those behind a number. */
struct catch_up {
	struct bus *bus;
	uint64_t behind;
	size_t left; /* to be passed over */
	bool count;
};

static void catch_up(void *context, const struct item *i)
{
	struct catch_up *c = context;
	if (i->fields.id <= c->behind)
		return;
	if (c->count)
		c->left++;
	else if (c->left)
		c->left--;
	else
		give_item(c->bus, i);
}

static void on_ready(struct bus *b, uint64_t behind)
{
	struct catch_up c = { .bus = b, .behind = behind, .count = true };
	b->ready = true;
	alerts_each(b->alerts, catch_up, &c);
	c.left = c.left > CATCH_UP ? c.left - CATCH_UP : 0;
	c.count = false;
	alerts_each(b->alerts, catch_up, &c);
}

/* KEY LF ITEM of a program's alert. */
static void on_post(struct bus *b, const char *text, size_t len)
{
	static struct item i;
	char key[ALERTS_KEY_MAX + 1];
	const char *end = memchr(text, '\n', len);
	size_t n = end ? (size_t)(end - text) : 0;
	if (!n || n > ALERTS_KEY_MAX || !item_unpack((const uint8_t *)end + 1, len - n - 1, &i) || i.fields.kind != MVP_NOTIFY_ALERT ||
	    strlen(i.body) > MVP_NOTIFY_TEXT_MAX)
		return;
	memcpy(key, text, n);
	key[n] = 0;
	/* Only names of its own, so that it takes back nothing that others sent. */
	if (!agent_after(key, DESKTOP_KEY_PREFIX))
		return;
	i.fields.level = i.fields.flags = 0;
	i.fields.id = i.fields.reserved = 0;
	if (!alerts_spool(b->alerts->dir, &i, key))
		agent_log("an alert of the session cannot be stored: %s", strerror(errno));
	alerts_look(b->alerts);
}

void bus_read(struct bus *b)
{
	static char packet[DESKTOP_PACKET_MAX + 1];
	uint64_t number;
	bool here;
	ssize_t n = recv(b->fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		bus_stop(b);
		return;
	}
	packet[n] = 0;
	const char *text = packet + 1;
	switch (packet[0]) {
	case 'A':
		if (agent_number(text, UINT64_MAX, &number))
			on_ready(b, number);
		break;
	case 'P':
		on_post(b, text, (size_t)n - 1);
		break;
	case 'W':
		if (agent_after(text, DESKTOP_KEY_PREFIX) && strlen(text) <= ALERTS_KEY_MAX)
			(void)alerts_withdraw(b->alerts, text);
		break;
	case 'd':
	case 'o':
		if (agent_number(text, UINT64_MAX, &number) && number)
			(void)alerts_settle(b->alerts, packet[0] == 'd' ? MVP_NOTIFY_DISMISS : MVP_NOTIFY_OPEN, number, &here);
		break;
	default:
		break;
	}
}

void bus_came(struct bus *b, const struct item *i)
{
	bool mine = i->fields.flags & MVP_NOTIFY_MINE;
	if (!b->ready || b->fd < 0)
		return;
	if (i->fields.kind == MVP_NOTIFY_ALERT)
		give_item(b, i);
	else if (i->fields.kind == MVP_NOTIFY_DISMISS && !mine)
		bus_went(b, i->fields.id);
	else if (i->fields.kind == MVP_NOTIFY_DISMISS && *alerts_key_of(b->alerts, i->fields.id))
		give_text(b, "K%s", alerts_key_of(b->alerts, i->fields.id));
}

void bus_went(struct bus *b, uint64_t id)
{
	if (b->ready && b->fd >= 0)
		give_text(b, "C%llu", (ull)id);
}

#include "clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_LINES 3u

struct client {
	int fd;
	uint32_t tag;   /* of what it waits for, 0: nothing */
	unsigned asked; /* lines of its status that are there */
	bool subscribed;
	char answer[CLIENTS_PACKET_MAX];
	size_t len;
};

static struct {
	const char *path;
	int listener;
	struct control *control;
	struct alerts *alerts;
	struct orders *orders;
	struct client client[CLIENTS_MAX];
	uint32_t tag; /* last given */
} all = { .listener = -1 };

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->tag = 0;
	c->subscribed = false;
}

static void answer(struct client *c, const char *text)
{
	(void)send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	hang_up(c);
}

static void add(struct client *c, const char *name, const char *value, size_t len)
{
	size_t left = sizeof(c->answer) - c->len;
	if (agent_format(c->answer + c->len, left, "%s%s%.*s\n", name, *name ? " " : "", (int)len, value))
		c->len += strlen(c->answer + c->len);
}

/* status */

static const char *const status_asks[STATUS_LINES] = { "hello", "status", "serial" };
static const char *const status_answers[STATUS_LINES] = { "mvp 1 ", "status ", "serial " };

static void ask_status(struct client *c)
{
	c->tag = ++all.tag ? all.tag : ++all.tag;
	c->asked = 0;
	c->len = 0;
	if (!control_ask(all.control, CONTROL_FOR_CLIENT, c->tag, status_asks[0]))
		answer(c, "!the handset's control port cannot be reached\n");
}

/* The words of a status line in pairs: `front yes other open`. */
static void add_pairs(struct client *c, const char *words)
{
	while (*words) {
		size_t name = strcspn(words, " ");
		size_t value = words[name] ? strcspn(words + name + 1, " ") : 0;
		add(c, "", words, name + (value ? 1 + value : 0));
		words += name + (words[name] ? 1 + value : 0);
		words += strspn(words, " ");
	}
}

static void status_answered(struct client *c, const char *line)
{
	const char *value = agent_after(line, status_answers[c->asked]);
	if (c->asked == 0 && !value) {
		answer(c, "!the handset's control port does not speak this protocol\n");
		return;
	}
	if (value && c->asked == 1)
		add_pairs(c, value);
	else if (value)
		add(c, c->asked ? "serial" : "persona", value, strlen(value));
	if (++c->asked < STATUS_LINES) {
		if (!control_ask(all.control, CONTROL_FOR_CLIENT, c->tag, status_asks[c->asked]))
			answer(c, "!too much waits for the handset\n");
		return;
	}
	c->answer[c->len] = 0;
	answer(c, c->answer);
}

void clients_answered(uint32_t tag, const char *line)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &all.client[i];
		if (c->fd < 0 || c->tag != tag)
			continue;
		if (line)
			status_answered(c, line);
		else
			answer(c, "!the handset's control port is gone\n");
	}
}

/* subscribe */

static void send_item(void *context, const struct item *i)
{
	struct client *c = context;
	uint8_t packet[MVP_NOTIFY_BODY_MAX];
	struct item copy = *i;
	size_t len = item_pack(&copy, packet);
	/* Who does not read begins anew: what there is then is there. */
	if (c->fd >= 0 && send(c->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		hang_up(c);
}

void clients_came(const struct item *i)
{
	for (size_t k = 0; k < CLIENTS_MAX; k++) {
		if (all.client[k].subscribed)
			send_item(&all.client[k], i);
	}
}

static void do_subscribe(struct client *c, const char *rest)
{
	char text[64];
	(void)rest;
	(void)agent_format(text, sizeof(text), "ok %s %s", all.alerts->persona, all.alerts->other);
	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		hang_up(c);
		return;
	}
	c->subscribed = true;
	alerts_each(all.alerts, send_item, c);
}

/* What is sent */

static const char *post(struct item *i, const char *key)
{
	bool ok = alerts_spool(all.alerts->dir, i, key);
	alerts_look(all.alerts);
	return ok ? "ok\n" : "!it cannot be stored\n";
}

static void do_post(struct client *c, const char *rest, size_t len)
{
	static struct item i;
	char key[ALERTS_KEY_MAX + 1];
	const char *end = memchr(rest, '\n', len);
	size_t n = end ? (size_t)(end - rest) : 0;
	if (!end || n > ALERTS_KEY_MAX || !item_unpack((const uint8_t *)end + 1, len - n - 1, &i) || strlen(i.app) > MVP_NOTIFY_APP_MAX ||
	    (i.fields.kind == MVP_NOTIFY_ALERT && strlen(i.body) > MVP_NOTIFY_TEXT_MAX) ||
	    (i.fields.kind != MVP_NOTIFY_ALERT && i.fields.kind != MVP_NOTIFY_CLIPBOARD)) {
		answer(c, "!that is no alert\n");
		return;
	}
	memcpy(key, rest, n);
	key[n] = 0;
	i.fields.level = i.fields.flags = 0;
	i.fields.id = i.fields.reserved = 0;
	answer(c, post(&i, key));
}

static void about(struct client *c, uint8_t kind, const char *number)
{
	uint64_t id;
	bool here;
	if (!agent_number(number, UINT64_MAX, &id) || !id)
		answer(c, "!expected the number of an alert\n");
	else if (!alerts_settle(all.alerts, kind, id, &here))
		answer(c, "!it cannot be stored\n");
	else
		answer(c, here ? "ok\n" : "!there is no such alert here; the other side is told all the same\n");
}

static void do_dismiss(struct client *c, const char *rest)
{
	about(c, MVP_NOTIFY_DISMISS, rest);
}

static void do_open(struct client *c, const char *rest)
{
	about(c, MVP_NOTIFY_OPEN, rest);
}

static void do_withdraw(struct client *c, const char *rest)
{
	answer(c, alerts_withdraw(all.alerts, rest) ? "ok\n" : "!no alert is known by this name\n");
}

static void do_status(struct client *c, const char *rest)
{
	(void)rest;
	ask_status(c);
}

static void do_look(struct client *c, const char *rest)
{
	(void)rest;
	alerts_look(all.alerts);
	answer(c, "ok\n");
}

static void do_poll(struct client *c, const char *rest)
{
	(void)rest;
	orders_now(all.orders, agent_now_ms());
	answer(c, all.orders->base ? "ok\n" : "!no address of orders is configured\n");
}

static const struct {
	const char *word; /* with the space, if something follows */
	void (*run)(struct client *c, const char *rest);
} requests[] = {
	{ "look", do_look },        { "status", do_status }, { "poll", do_poll },          { "subscribe", do_subscribe },
	{ "dismiss ", do_dismiss }, { "open ", do_open },    { "withdraw ", do_withdraw },
};

static void read_client(struct client *c)
{
	static char request[CLIENTS_PACKET_MAX + 1];
	ssize_t n = recv(c->fd, request, sizeof(request) - 1, MSG_DONTWAIT);
	if (n <= 0 || c->tag || c->subscribed) {
		hang_up(c);
		return;
	}
	request[n] = 0;
	const char *rest = agent_after(request, "post ");
	if (rest) {
		do_post(c, rest, (size_t)n - 5);
		return;
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		size_t word = strlen(requests[i].word);
		rest = agent_after(request, requests[i].word);
		if (rest && (requests[i].word[word - 1] == ' ') == (*rest != 0)) {
			requests[i].run(c, rest);
			return;
		}
	}
	answer(c, "!the running mvp-agent does not know this request\n");
}

/* The socket */

static void accept_client(void)
{
	int fd = accept4(all.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (all.client[i].fd < 0) {
			all.client[i].fd = fd;
			return;
		}
	}
	close(fd); /* it sees the end and may try again */
}

bool clients_start(const char *socket_path, struct control *control, struct alerts *alerts, struct orders *orders)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	all.path = socket_path;
	all.control = control;
	all.alerts = alerts;
	all.orders = orders;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		all.client[i].fd = -1;
	if (!agent_format(address.sun_path, sizeof(address.sun_path), "%s", socket_path)) {
		agent_log("'%s' is too long for a socket", socket_path);
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* One agent at a time: who else answers there goes on, and what a dead one left is taken away. */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		agent_log("another mvp-agent runs");
		close(fd);
		return false;
	}
	(void)unlink(socket_path);
	mode_t mask = umask(0177); /* root's, as the ports are */
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, (int)CLIENTS_MAX) == 0;
	(void)umask(mask);
	if (!ok) {
		agent_log("'%s': %s", socket_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	all.listener = fd;
	return true;
}

void clients_stop(void)
{
	(void)unlink(all.path);
}

void clients_poll(struct pollfd *fds)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		fds[i] = (struct pollfd){ all.client[i].fd, POLLIN, 0 };
	fds[CLIENTS_MAX] = (struct pollfd){ all.listener, POLLIN, 0 };
}

void clients_turn(const struct pollfd *fds)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (fds[i].revents && all.client[i].fd == fds[i].fd && fds[i].fd >= 0)
			read_client(&all.client[i]);
	}
	if (fds[CLIENTS_MAX].revents)
		accept_client();
}

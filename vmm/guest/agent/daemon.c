#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "fetch.h"
#include "orders.h"
#include "port.h"

#define CLIENTS 8u
#define REOPEN_MS 2000u
#define STATUS_LINES 3u

struct client {
	int fd;
	uint32_t tag;   /* of what it waits for, 0: nothing */
	unsigned asked; /* lines of its status that are there */
	char answer[DAEMON_PACKET_MAX];
	size_t len;
};

static struct agent {
	const struct config *config;
	struct control control;
	uint64_t reopen_at;
	bool missing_said;
	struct fetch fetch;
	struct orders orders;
	char orders_state[CONFIG_TEXT_MAX + 16];
	int signals, listener;
	struct client client[CLIENTS];
	uint32_t tag; /* last given */
	struct http_answer answer;
} agent;

/* Orders */

bool orders_ask(const char *line)
{
	return control_ask(&agent.control, CONTROL_FOR_ORDERS, 0, line);
}

bool orders_fetch(const struct http_request *r)
{
	return fetch_start(&agent.fetch, r, agent.config->ca[0] ? agent.config->ca : NULL);
}

uint32_t orders_random(void)
{
	uint32_t v = 0;
	/* Without a seed yet all devices wait the same time once; nothing else depends on it. */
	return getrandom(&v, sizeof(v), GRND_NONBLOCK) == sizeof(v) ? v : 0;
}

/* Clients */

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->tag = 0;
}

static void answer_client(struct client *c, const char *text)
{
	(void)send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	hang_up(c);
}

static void add_line(struct client *c, const char *name, const char *value, size_t len)
{
	size_t left = sizeof(c->answer) - c->len;
	if (agent_format(c->answer + c->len, left, "%s%s%.*s\n", name, *name ? " " : "", (int)len, value))
		c->len += strlen(c->answer + c->len);
}

/* What `mvp-agent status` asks the vault, and how the answers begin. */
static const char *const status_asks[STATUS_LINES] = { "hello", "status", "serial" };
static const char *const status_answers[STATUS_LINES] = { "mvp 1 ", "status ", "serial " };

static void ask_status(struct client *c)
{
	c->tag = ++agent.tag ? agent.tag : ++agent.tag;
	c->asked = 0;
	c->len = 0;
	if (!control_ask(&agent.control, CONTROL_FOR_CLIENT, c->tag, status_asks[0]))
		answer_client(c, "!the handset's control port cannot be reached\n");
}

/* The words of a status line in pairs: `front yes other open`. */
static void add_pairs(struct client *c, const char *words)
{
	while (*words) {
		size_t name = strcspn(words, " ");
		size_t value = words[name] ? strcspn(words + name + 1, " ") : 0;
		add_line(c, "", words, name + (value ? 1 + value : 0));
		words += name + (words[name] ? 1 + value : 0);
		words += strspn(words, " ");
	}
}

static void status_answered(struct client *c, const char *line)
{
	const char *value = agent_after(line, status_answers[c->asked]);
	if (c->asked == 0 && !value) {
		answer_client(c, "!the handset's control port does not speak this protocol\n");
		return;
	}
	if (value && c->asked == 0)
		add_line(c, "persona", value, strlen(value));
	else if (value && c->asked == 1)
		add_pairs(c, value);
	else if (value)
		add_line(c, "serial", value, strlen(value));
	if (++c->asked < STATUS_LINES) {
		if (!control_ask(&agent.control, CONTROL_FOR_CLIENT, c->tag, status_asks[c->asked]))
			answer_client(c, "!too much waits for the handset\n");
		return;
	}
	c->answer[c->len] = 0;
	answer_client(c, c->answer);
}

static void read_client(struct client *c)
{
	char request[DAEMON_PACKET_MAX + 1];
	ssize_t n = recv(c->fd, request, sizeof(request) - 1, MSG_DONTWAIT);
	if (n <= 0 || c->tag) {
		hang_up(c);
		return;
	}
	request[n] = 0;
	if (strcmp(request, "status") == 0) {
		ask_status(c);
	} else if (strcmp(request, "poll") == 0) {
		orders_now(&agent.orders, agent_now_ms());
		answer_client(c, agent.config->orders[0] ? "ok\n" : "!no address of orders is configured\n");
	} else {
		answer_client(c, "!the running mvp-agent does not know this request\n");
	}
}

static void accept_client(void)
{
	int fd = accept4(agent.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS; i++) {
		if (agent.client[i].fd < 0) {
			agent.client[i] = (struct client){ .fd = fd };
			return;
		}
	}
	close(fd); /* it sees the end and may try again */
}

/* The control port */

void control_answer(enum control_asker asker, uint32_t tag, const char *line)
{
	if (asker == CONTROL_FOR_ORDERS) {
		orders_answer(&agent.orders, line, agent_now_ms());
		return;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &agent.client[i];
		if (c->fd < 0 || c->tag != tag)
			continue;
		if (line)
			status_answered(c, line);
		else
			answer_client(c, "!the handset's control port is gone\n");
	}
}

void control_event(bool front)
{
	(void)front;
}

static void open_control(uint64_t now)
{
	const char *path = agent.config->control;
	if (agent.control.fd >= 0 || now < agent.reopen_at)
		return;
	int fd = port_open("org.mvp.control", path[0] ? path : NULL);
	agent.reopen_at = now + REOPEN_MS;
	if (fd >= 0) {
		agent.missing_said = false;
		control_start(&agent.control, fd);
	} else if (!agent.missing_said) {
		agent.missing_said = true;
		agent_log("the port org.mvp.control: %s", strerror(errno));
	}
}

/* The loop */

static void served(void)
{
	int r = fetch_read(&agent.fetch, &agent.answer);
	if (r)
		orders_fetched(&agent.orders, r > 0 ? &agent.answer : NULL, agent_now_ms());
}

static int timeout_ms(void)
{
	uint64_t now = agent_now_ms(), next = orders_tick(&agent.orders, now);
	if (agent.control.fd < 0 && agent.reopen_at < next)
		next = agent.reopen_at;
	return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

enum { POLL_SIGNALS, POLL_LISTENER, POLL_CONTROL, POLL_FETCH, POLL_CLIENTS };

static void turn(struct pollfd *fds)
{
	struct control *c = &agent.control;
	if (fds[POLL_CONTROL].revents && c->fd == fds[POLL_CONTROL].fd && c->fd >= 0) {
		bool hung = (fds[POLL_CONTROL].revents & (POLLHUP | POLLERR | POLLNVAL)) && !(fds[POLL_CONTROL].revents & POLLIN);
		if (hung || (fds[POLL_CONTROL].revents & POLLIN && !control_read(c)) ||
		    (fds[POLL_CONTROL].revents & POLLOUT && !control_write(c)))
			control_stop(c);
	}
	if (fds[POLL_FETCH].revents && agent.fetch.fd >= 0)
		served();
	for (size_t i = 0; i < CLIENTS; i++) {
		if (fds[POLL_CLIENTS + i].revents && agent.client[i].fd == fds[POLL_CLIENTS + i].fd && agent.client[i].fd >= 0)
			read_client(&agent.client[i]);
	}
	if (fds[POLL_LISTENER].revents)
		accept_client();
}

static void loop(void)
{
	struct pollfd fds[POLL_CLIENTS + CLIENTS];
	for (;;) {
		open_control(agent_now_ms());
		int timeout = timeout_ms();
		fds[POLL_SIGNALS] = (struct pollfd){ agent.signals, POLLIN, 0 };
		fds[POLL_LISTENER] = (struct pollfd){ agent.listener, POLLIN, 0 };
		fds[POLL_CONTROL] =
			(struct pollfd){ agent.control.fd, (short)(POLLIN | (control_wants_write(&agent.control) ? POLLOUT : 0)), 0 };
		fds[POLL_FETCH] = (struct pollfd){ agent.fetch.fd, POLLIN, 0 };
		for (size_t i = 0; i < CLIENTS; i++)
			fds[POLL_CLIENTS + i] = (struct pollfd){ agent.client[i].fd, POLLIN, 0 };
		if (poll(fds, POLL_CLIENTS + CLIENTS, timeout) < 0 && errno != EINTR)
			return;
		if (fds[POLL_SIGNALS].revents)
			return;
		turn(fds);
	}
}

/* Start */

/* The socket of the agent's other commands: root's, as the ports are. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		agent_log("'%s' is too long for a socket", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* One agent at a time: who else answers there goes on, and what a dead one left is taken away. */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		agent_log("another mvp-agent runs");
		close(fd);
		return -1;
	}
	(void)unlink(path);
	mode_t mask = umask(0177);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, CLIENTS) == 0;
	(void)umask(mask);
	if (!ok) {
		agent_log("'%s': %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool prepare(const struct config *config)
{
	sigset_t signals;
	agent.config = config;
	agent.control.fd = agent.fetch.fd = agent.listener = -1;
	for (size_t i = 0; i < CLIENTS; i++)
		agent.client[i].fd = -1;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	agent.signals = signalfd(-1, &signals, SFD_CLOEXEC);
	agent.listener = listen_at(config->socket);
	if (agent.signals < 0 || agent.listener < 0)
		return false;
	if (mkdir(config->state, 0700) != 0 && errno != EEXIST)
		agent_log("'%s': %s", config->state, strerror(errno));
	agent.orders.base = config->orders[0] ? config->orders : NULL;
	agent.orders.interval_ms = config->interval_ms;
	if (agent_format(agent.orders_state, sizeof(agent.orders_state), "%s/orders", config->state))
		agent.orders.state_path = agent.orders_state;
	orders_start(&agent.orders, agent_now_ms());
	return true;
}

int daemon_run(const struct config *config)
{
	if (!prepare(config))
		return 1;
	loop();
	fetch_stop(&agent.fetch);
	(void)unlink(config->socket);
	return 0;
}

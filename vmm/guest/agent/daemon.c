#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "clients.h"
#include "fetch.h"
#include "hook.h"
#include "port.h"

#define REOPEN_MS 2000u
#define LONGEST_MS 60000u

/* A port that is opened when it is there, and again when it was lost. */
struct reopen {
	const char *name, *path;
	uint64_t at;
	bool said;
};

static struct agent {
	const struct config *config;
	struct control control;
	struct alerts alerts;
	struct reopen control_port, alerts_port;
	struct fetch fetch;
	struct orders orders;
	struct bus bus;
	char orders_state[CONFIG_TEXT_MAX + 16];
	int signals;
	struct http_answer answer;
} agent;

bool orders_ask(const char *line)
{
	return control_ask(&agent.control, CONTROL_FOR_ORDERS, 0, line);
}

bool orders_fetch(const struct http_request *r)
{
	const struct fetch_tls tls = { agent.config->https, agent.config->ca };
	return fetch_start(&agent.fetch, r, &tls);
}

uint32_t orders_random(void)
{
	uint32_t v = 0;
	/* Without a seed yet all devices wait the same time once; nothing else depends on it. */
	return getrandom(&v, sizeof(v), GRND_NONBLOCK) == sizeof(v) ? v : 0;
}

void control_answer(enum control_asker asker, uint32_t tag, const char *line)
{
	if (asker == CONTROL_FOR_ORDERS)
		orders_answer(&agent.orders, line, agent_now_ms());
	else if (asker == CONTROL_FOR_CLIENT)
		clients_answered(tag, line);
}

void control_event(bool front)
{
	(void)front; /* nothing here depends on it: `status` asks */
}

void alerts_came(const struct item *i)
{
	clients_came(i);
	bus_came(&agent.bus, i);
	if (agent.config->hook[0])
		hook_run(agent.config->hook, agent.alerts.other, i);
}

void alerts_went(uint64_t id)
{
	bus_went(&agent.bus, id);
}

/* Ports */

static int try_port(struct reopen *r, uint64_t now)
{
	if (now < r->at)
		return -1;
	int fd = port_open(r->name, r->path[0] ? r->path : NULL);
	r->at = now + REOPEN_MS;
	if (fd < 0 && !r->said)
		agent_log("the port %s: %s", r->name, strerror(errno));
	r->said = fd < 0;
	return fd;
}

static void open_ports(uint64_t now)
{
	int fd = agent.control.fd < 0 ? try_port(&agent.control_port, now) : -1;
	if (fd >= 0) {
		control_start(&agent.control, fd);
		(void)control_ask(&agent.control, CONTROL_FOR_NOBODY, 0, "up"); /* it is: the slot it was started from is good */
	}
	fd = agent.alerts.fd < 0 ? try_port(&agent.alerts_port, now) : -1;
	if (fd >= 0)
		alerts_open(&agent.alerts, fd);
}

/* Whether what poll() said of a port means that it is gone. */
static bool hung(short revents)
{
	return (revents & (POLLHUP | POLLERR | POLLNVAL)) && !(revents & POLLIN);
}

static void turn_ports(const struct pollfd *control, const struct pollfd *alerts)
{
	if (control->revents && control->fd >= 0 &&
	    (hung(control->revents) || (control->revents & POLLIN && !control_read(&agent.control)) ||
	     (control->revents & POLLOUT && !control_write(&agent.control))))
		control_stop(&agent.control);
	if (alerts->revents && alerts->fd >= 0 &&
	    (hung(alerts->revents) || (alerts->revents & POLLIN && !alerts_read(&agent.alerts)) ||
	     (alerts->revents & POLLOUT && !alerts_write(&agent.alerts))))
		alerts_close(&agent.alerts);
}

/* The loop */

static void sooner(uint64_t *when, uint64_t other)
{
	if (other < *when)
		*when = other;
}

static int timeout_ms(void)
{
	uint64_t now = agent_now_ms(), next = now + LONGEST_MS;
	sooner(&next, orders_tick(&agent.orders, now));
	sooner(&next, alerts_tick(&agent.alerts, now));
	sooner(&next, bus_tick(&agent.bus, now));
	if (agent.control.fd < 0)
		sooner(&next, agent.control_port.at);
	if (agent.alerts.fd < 0)
		sooner(&next, agent.alerts_port.at);
	return next <= now ? 0 : (int)(next - now);
}

enum { POLL_SIGNALS, POLL_CONTROL, POLL_ALERTS, POLL_FETCH, POLL_BUS, POLL_CLIENTS, POLLS = POLL_CLIENTS + CLIENTS_MAX + 1 };

static void loop(void)
{
	struct pollfd fds[POLLS];
	for (;;) {
		open_ports(agent_now_ms());
		int timeout = timeout_ms();
		short control = (short)(POLLIN | (control_wants_write(&agent.control) ? POLLOUT : 0));
		short alerts = (short)(POLLIN | (alerts_wants_write(&agent.alerts) ? POLLOUT : 0));
		fds[POLL_SIGNALS] = (struct pollfd){ agent.signals, POLLIN, 0 };
		fds[POLL_CONTROL] = (struct pollfd){ agent.control.fd, control, 0 };
		fds[POLL_ALERTS] = (struct pollfd){ agent.alerts.fd, alerts, 0 };
		fds[POLL_FETCH] = (struct pollfd){ agent.fetch.fd, POLLIN, 0 };
		fds[POLL_BUS] = (struct pollfd){ agent.bus.fd, POLLIN, 0 };
		clients_poll(fds + POLL_CLIENTS);
		if (poll(fds, POLLS, timeout) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		if (fds[POLL_SIGNALS].revents)
			return;
		turn_ports(&fds[POLL_CONTROL], &fds[POLL_ALERTS]);
		if (fds[POLL_FETCH].revents && agent.fetch.fd >= 0) {
			int r = fetch_read(&agent.fetch, &agent.answer);
			if (r)
				orders_fetched(&agent.orders, r > 0 ? &agent.answer : NULL, agent_now_ms());
		}
		if (fds[POLL_BUS].revents && agent.bus.fd >= 0)
			bus_read(&agent.bus);
		clients_turn(fds + POLL_CLIENTS);
	}
}

/* Start */

/* The folder, and those above it that are missing. */
static bool make_folder(const char *path)
{
	char part[CONFIG_TEXT_MAX];
	for (const char *end = path; *end; end++) {
		if (*end == '/' && end > path && agent_format(part, sizeof(part), "%.*s", (int)(end - path), path))
			(void)mkdir(part, 0755);
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool prepare(const struct config *config)
{
	sigset_t signals;
	agent.config = config;
	agent.control.fd = agent.fetch.fd = agent.bus.fd = -1;
	agent.bus.where = config->bus;
	agent.bus.alerts = &agent.alerts;
	agent.control_port = (struct reopen){ .name = "org.mvp.control", .path = config->control };
	agent.alerts_port = (struct reopen){ .name = "org.mvp.notify", .path = config->notify };
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	agent.signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (agent.signals < 0 || !clients_start(config->socket, &agent.control, &agent.alerts, &agent.orders))
		return false;
	if (!make_folder(config->state))
		agent_log("'%s': %s", config->state, strerror(errno));
	agent.alerts.dir = config->state;
	agent.alerts.keep = config->keep_count;
	alerts_start(&agent.alerts);
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
	bus_stop(&agent.bus);
	clients_stop();
	return 0;
}

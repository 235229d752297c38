#include "config.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_FILE "/etc/mvp/agent.conf"
#define FILE_MAX 8192
#define INTERVAL_MAX_S 86400u
#define KEEP_MAX 100000u

static const struct {
	const char *name, *value;
	size_t at, size;
} keys[] = {
#define KEY(name, member, value) \
	{ \
		name, value, offsetof(struct config, member), sizeof(((struct config *)0)->member) \
	}
	KEY("orders", orders, ""),
	KEY("ca", ca, ""),
	KEY("state", state, "/var/lib/mvp"),
	KEY("socket", socket, AGENT_SOCKET),
	KEY("control", control, ""),
	KEY("interval", interval, "60"),
	KEY("notify", notify, ""),
	KEY("hook", hook, ""),
	KEY("keep", keep, "500"),
	KEY("bus", bus, "auto"),
	KEY("https", https, "/usr/lib/mvp/mvp-https"),
#undef KEY
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* NAME=VALUE, len bytes. */
static bool set(struct config *c, const char *text, size_t len)
{
	for (size_t i = 0; i < KEYS; i++) {
		size_t n = strlen(keys[i].name);
		if (len <= n || memcmp(text, keys[i].name, n) != 0 || text[n] != '=')
			continue;
		char *to = (char *)c + keys[i].at;
		if (len - n - 1 >= keys[i].size)
			return false;
		memcpy(to, text + n + 1, len - n - 1);
		to[len - n - 1] = 0;
		return true;
	}
	return false;
}

static bool read_file(struct config *c, const char *path, bool must)
{
	static char text[FILE_MAX];
	if (agent_read_file(path, text, sizeof(text)) < 0) {
		if (errno == ENOENT && !must)
			return true;
		agent_log("'%s': %s", path, strerror(errno));
		return false;
	}
	unsigned number = 1;
	for (const char *p = text; *p; number++) {
		p += strspn(p, " \t");
		size_t line = strcspn(p, "\n"), len = line;
		while (len && strchr(" \t\r", p[len - 1]))
			len--;
		if (len && *p != '#' && !set(c, p, len)) {
			agent_log("'%s', line %u: expected NAME=VALUE", path, number);
			return false;
		}
		p += line + (p[line] == '\n');
	}
	return true;
}

bool config_read(struct config *c, char *const *args, char *const **ret_rest)
{
	const char *file = NULL;
	uint64_t seconds;
	for (size_t i = 0; i < KEYS; i++)
		memcpy((char *)c + keys[i].at, keys[i].value, strlen(keys[i].value) + 1);
	for (char *const *a = args; *a && agent_after(*a, "--"); a++)
		file = agent_after(*a, "--config=") ? agent_after(*a, "--config=") : file;
	if (!read_file(c, file ? file : DEFAULT_FILE, file != NULL))
		return false;
	for (; *args && agent_after(*args, "--"); args++) {
		if (!agent_after(*args, "--config=") && !set(c, *args + 2, strlen(*args + 2))) {
			agent_log("the option '%s' is not known", *args);
			return false;
		}
	}
	if (!agent_number(c->interval, INTERVAL_MAX_S, &seconds) || !seconds) {
		agent_log("interval '%s': expected 1 to %u seconds", c->interval, INTERVAL_MAX_S);
		return false;
	}
	if (!agent_number(c->keep, KEEP_MAX, &c->keep_count) || !c->keep_count) {
		agent_log("keep '%s': expected 1 to %u alerts", c->keep, KEEP_MAX);
		return false;
	}
	c->interval_ms = seconds * 1000;
	size_t len = strlen(c->orders);
	while (len && c->orders[len - 1] == '/')
		c->orders[--len] = 0;
	*ret_rest = args;
	return true;
}

/* mvp-agent: the program of a Linux persona that takes part in the handset, see mvp-agent(8). Under the name mvp-notify it sends an alert.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clients.h"
#include "daemon.h"
#include "desktop.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static int usage(void)
{
	(void)fputs("usage: mvp-agent [--NAME=VALUE...] [COMMAND]\n"
		    "  without a command   run in the foreground\n"
		    "  status              persona, who is in front, the other one, serial number\n"
		    "  list                alerts of the other side: number, category, priority, app: title\n"
		    "  dismiss NUMBER      here and there\n"
		    "  open NUMBER         on the other side, which comes to the front if the policy allows\n"
		    "  copy                standard input is the clipboard: give it to the other side\n"
		    "  poll                look for orders now\n"
		    "names: config orders ca https interval state keep hook bus socket control notify; see mvp-agent(8)\n",
		    stderr);
	return EXIT_USAGE;
}

static int notify_usage(void)
{
	(void)fputs("usage: mvp-notify [OPTION...] TITLE [BODY]\n"
		    "       mvp-notify --withdraw=KEY\n"
		    "  --category=other|call|message|mail|calendar|alarm|system\n"
		    "  --priority=low|normal|high|urgent\n"
		    "  --app=NAME          who says it\n"
		    "  --key=KEY           name by which it can be withdrawn\n"
		    "  --config=FILE       the agent's configuration\n"
		    "The body '-' is read from standard input.\n",
		    stderr);
	return EXIT_USAGE;
}

/* One request to the agent that runs; its answer goes to standard output if it is shown, what is wrong to standard error. */
static int request(const char *socket_path, const void *packet, size_t len, bool shown)
{
	static char answer[CLIENTS_PACKET_MAX + 1];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!agent_format(address.sun_path, sizeof(address.sun_path), "%s", socket_path))
		return usage();
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		agent_log("no agent answers at '%s': %s", socket_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return EXIT_FAILED;
	}
	ssize_t n = send(fd, packet, len, MSG_NOSIGNAL);
	n = n < 0 ? n : recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	if (n <= 0) {
		agent_log("the agent does not answer");
		return EXIT_FAILED;
	}
	answer[n] = 0;
	if (answer[0] == '!') {
		(void)fprintf(stderr, "mvp-agent: %s", answer + 1);
		return EXIT_FAILED;
	}
	if (shown && strcmp(answer, "\n") != 0)
		(void)fputs(answer, stdout);
	return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

/* Standard input, cut to size; false if it was longer. */
static bool read_input(char *ret, size_t size)
{
	static char raw[CLIENTS_PACKET_MAX];
	size_t n = fread(raw, 1, sizeof(raw) - 1, stdin);
	raw[n] = 0;
	item_text(ret, size, raw, true);
	return n < size;
}

/* Into the spool, and a word to the agent if one runs: what is stored is sent, now or later. */
static int post(const struct config *c, struct item *i, const char *key)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(key) > ALERTS_KEY_MAX)
		return notify_usage();
	if (!alerts_spool(c->state, i, key)) {
		agent_log("'%s/out': %s", c->state, strerror(errno));
		return EXIT_FAILED;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && agent_format(address.sun_path, sizeof(address.sun_path), "%s", c->socket) &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		(void)send(fd, "look", 4, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
	return EXIT_OK;
}

static void list_one(void *context, const struct item *i)
{
	(void)context;
	(void)printf("%llu %s %s%s%s%s%s%s\n", (unsigned long long)i->fields.id, item_category_name(i->fields.category),
		     item_priority_name(i->fields.priority), i->app[0] ? " " : "", i->app, i->title[0] ? ": " : "", i->title,
		     i->fields.level == MVP_NOTIFY_COUNT ? " (nothing more is known here)" : "");
}

/* What the agent has written down, whether it runs or not. */
static int list(const struct config *c)
{
	const struct alerts a = { .dir = c->state };
	alerts_each(&a, list_one, NULL);
	return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static int copy(const struct config *c)
{
	static struct item i = { .fields = { .kind = MVP_NOTIFY_CLIPBOARD } };
	/* Half of what was copied is worse than nothing. */
	if (!read_input(i.body, sizeof(i.body))) {
		agent_log("a clipboard has at most %u bytes", MVP_NOTIFY_CLIPBOARD_MAX);
		return EXIT_FAILED;
	}
	return post(c, &i, "");
}

/* mvp-notify */
static int notify(char **argv)
{
	static struct item i = { .fields = { .kind = MVP_NOTIFY_ALERT, .priority = MVP_NOTIFY_NORMAL, .actions = MVP_NOTIFY_ACTIONS } };
	const char *key = "", *withdraw = NULL, *v;
	char *options[] = { NULL, NULL }, *const * rest;
	struct config c;
	for (; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
		int number = 0;
		if (strcmp(*argv, "--") == 0) {
			argv++;
			break;
		}
		if ((v = agent_after(*argv, "--category=")))
			i.fields.category = (uint8_t)(number = item_category(v));
		else if ((v = agent_after(*argv, "--priority=")))
			i.fields.priority = (uint8_t)(number = item_priority(v));
		else if ((v = agent_after(*argv, "--app=")))
			item_text(i.app, sizeof(i.app), v, false);
		else if ((v = agent_after(*argv, "--key=")))
			key = v;
		else if (agent_after(*argv, "--config="))
			options[0] = *argv;
		else if ((v = agent_after(*argv, "--withdraw=")))
			withdraw = v;
		else
			return notify_usage();
		if (number < 0)
			return notify_usage();
	}
	if (!config_read(&c, options, &rest))
		return EXIT_USAGE;
	if (withdraw && !argv[0] && *withdraw) {
		char text[ALERTS_KEY_MAX + 16];
		return agent_format(text, sizeof(text), "withdraw %s", withdraw) ? request(c.socket, text, strlen(text), false)
										 : notify_usage();
	}
	if (withdraw || !argv[0] || (argv[1] && argv[2]))
		return notify_usage();
	item_text(i.title, sizeof(i.title), argv[0], false);
	if (argv[1] && strcmp(argv[1], "-") == 0)
		(void)read_input(i.body, MVP_NOTIFY_TEXT_MAX + 1);
	else if (argv[1])
		item_text(i.body, MVP_NOTIFY_TEXT_MAX + 1, argv[1], true);
	i.fields.time = (uint64_t)time(NULL);
	return post(&c, &i, key);
}

static int command(const struct config *c, char *const *words)
{
	static const char *const plain[] = { "status", "poll" }, *const numbered[] = { "dismiss", "open" };
	char text[64];
	uint64_t number;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(words[0], plain[i]) == 0 && !words[1])
			return request(c->socket, plain[i], strlen(plain[i]), i < 1);
	}
	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		if (strcmp(words[0], numbered[i]) != 0 || !words[1] || words[2] || !agent_number(words[1], UINT64_MAX, &number))
			continue;
		(void)agent_format(text, sizeof(text), "%s %llu", numbered[i], (unsigned long long)number);
		return request(c->socket, text, strlen(text), false);
	}
	if (strcmp(words[0], "list") == 0 && !words[1])
		return list(c);
	return strcmp(words[0], "copy") == 0 && !words[1] ? copy(c) : usage();
}

int main(int argc, char **argv)
{
	struct config config;
	char *const *rest = argv;
	if (argc < 1)
		return usage();
	const char *slash = strrchr(argv[0], '/');
	bool notifies = strcmp(slash ? slash + 1 : argv[0], "mvp-notify") == 0;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return notifies ? notify_usage() : usage();
	}
	if (notifies)
		return notify(argv + 1);
	/* Started by the agent, as a user who need not be able to read its configuration. */
	if (argc == 3 && strcmp(argv[1], "desktop") == 0)
		return desktop_run(argv[2]);
	if (!config_read(&config, argv + 1, &rest))
		return EXIT_USAGE;
	return rest[0] ? command(&config, rest) : daemon_run(&config);
}

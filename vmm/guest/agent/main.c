/* mvp-agent: the program of a Linux persona that takes part in the handset, see mvp-agent(8). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static int usage(void)
{
	(void)fputs("usage: mvp-agent [--NAME=VALUE...] [COMMAND]\n"
		    "  without a command   run in the foreground\n"
		    "  status              persona, who is in front, the other one, serial number\n"
		    "  poll                look for orders now\n"
		    "names: config orders ca interval state socket control; see mvp-agent(8)\n",
		    stderr);
	return EXIT_USAGE;
}

/* One request to the agent that runs; its answer goes to standard output, what is wrong to standard error. */
static int request(const char *socket_path, const char *text)
{
	static char answer[DAEMON_PACKET_MAX + 1];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!agent_format(address.sun_path, sizeof(address.sun_path), "%s", socket_path))
		return usage();
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		agent_log("no agent answers at '%s': %s", socket_path, strerror(errno));
		return EXIT_FAILED;
	}
	ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL);
	n = n < 0 ? n : recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	if (n <= 0) {
		agent_log("the agent does not answer");
		return EXIT_FAILED;
	}
	answer[n] = 0;
	bool failed = answer[0] == '!';
	(void)fputs(failed ? "mvp-agent: " : "", stderr);
	(void)fputs(answer + failed, failed ? stderr : stdout);
	return failed ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct config config;
	char *const *rest = argv;
	if (argc < 1)
		return usage();
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage();
	}
	if (!config_read(&config, argv + 1, &rest))
		return EXIT_USAGE;
	if (!rest[0])
		return daemon_run(&config);
	if (!rest[1] && (strcmp(rest[0], "status") == 0 || strcmp(rest[0], "poll") == 0))
		return request(config.socket, rest[0]);
	return usage();
}

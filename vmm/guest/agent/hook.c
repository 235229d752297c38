#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const kinds[] = { "", "alert", "dismiss", "open", "clipboard" };
static const char *const levels[] = { "none", "count", "title", "full" };

static void set_number(const char *name, uint64_t v)
{
	char text[24];
	(void)agent_format(text, sizeof(text), "%llu", (unsigned long long)v);
	(void)setenv(name, text, 1);
}

static _Noreturn void child(const char *program, const char *from, const struct item *i)
{
	int in[2];
	char path[512];
	/* The body is shorter than what a pipe holds. */
	if (!agent_format(path, sizeof(path), "%s", program) || pipe2(in, O_CLOEXEC) != 0 ||
	    write(in[1], i->body, strlen(i->body)) != (ssize_t)strlen(i->body) || dup2(in[0], STDIN_FILENO) < 0)
		_exit(1);
	close(in[1]);
	sigset_t none;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setenv("MVP_KIND", kinds[i->fields.kind], 1);
	(void)setenv("MVP_FROM", from, 1);
	(void)setenv("MVP_CATEGORY", item_category_name(i->fields.category), 1);
	(void)setenv("MVP_PRIORITY", item_priority_name(i->fields.priority), 1);
	(void)setenv("MVP_LEVEL", levels[i->fields.level], 1);
	(void)setenv("MVP_APP", i->app, 1);
	(void)setenv("MVP_TITLE", i->title, 1);
	set_number("MVP_ID", i->fields.id);
	set_number("MVP_TIME", i->fields.time);
	set_number("MVP_QUIET", (i->fields.flags & MVP_NOTIFY_QUIET) != 0);
	set_number("MVP_MINE", (i->fields.flags & MVP_NOTIFY_MINE) != 0);
	char *const argv[] = { path, NULL };
	(void)execv(path, argv);
	agent_log("'%s': %s", path, strerror(errno));
	_exit(127);
}

void hook_run(const char *program, const char *from, const struct item *i)
{
	/* Twice, so that init waits for it. */
	pid_t pid = fork();
	if (pid == 0) {
		pid_t second = fork();
		if (second == 0)
			child(program, from, i);
		_exit(second < 0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		agent_log("'%s' cannot be started: %s", program, strerror(errno));
}

/* posix_spawn, not fork: the program has threads and may hold keys in memory. */
#include "imagegen/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imagegen/base/mem.h"

/* Names, for as long as the program lives. */
static struct {
	pthread_mutex_t lock;
	char **v;
	size_t count, cap;
} hidden = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_hidden(const char *name, size_t len)
{
	for (size_t i = 0; i < hidden.count; i++)
		if (strlen(hidden.v[i]) == len && memcmp(hidden.v[i], name, len) == 0)
			return true;
	return false;
}

void child_hide(const char *name)
{
	(void)pthread_mutex_lock(&hidden.lock);
	if (!is_hidden(name, strlen(name))) {
		mem_grow((void **)&hidden.v, hidden.count, &hidden.cap, sizeof(*hidden.v));
		hidden.v[hidden.count++] = mem_strdup(name);
	}
	(void)pthread_mutex_unlock(&hidden.lock);
}

/* NULL-terminated; the strings are borrowed. */
static char **environment(bool (*leave_out)(const char *variable))
{
	size_t n = 0, count = 0;
	while (environ && environ[n])
		n++;
	char **kept = mem_array(char *, n + 1);
	(void)pthread_mutex_lock(&hidden.lock);
	for (size_t i = 0; i < n; i++)
		if (!is_hidden(environ[i], strcspn(environ[i], "=")) && !(leave_out && leave_out(environ[i])))
			kept[count++] = environ[i];
	(void)pthread_mutex_unlock(&hidden.lock);
	return kept;
}

static int direct(posix_spawn_file_actions_t *actions, const struct child *c)
{
	int rc = c->in < 0 ? posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
			   : posix_spawn_file_actions_adddup2(actions, c->in, STDIN_FILENO);
	if (!rc && c->out >= 0)
		rc = posix_spawn_file_actions_adddup2(actions, c->out, STDOUT_FILENO);
	if (!rc && c->err >= 0)
		rc = posix_spawn_file_actions_adddup2(actions, c->err, STDERR_FILENO);
	return rc;
}

static int spawn(const struct child *c, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	rc = direct(&actions, c);
	if (!rc) {
		char **env CLEANUP_FREE = environment(c->leave_out);
		/* argv is not written to: POSIX has no const there for history's sake. */
		rc = posix_spawnp(ret_pid, c->argv[0], &actions, NULL, (char *const *)(uintptr_t)c->argv, env);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int child_run(const struct child *c, int *ret_status)
{
	pid_t pid = 0;
	int rc = spawn(c, &pid);
	while (!rc && waitpid(pid, ret_status, 0) < 0)
		rc = errno == EINTR ? 0 : -errno;
	return rc;
}

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/sign/sign_int.h"

/* Files in memory rather than pipes: a helper that does not read its input raises no SIGPIPE here, and one that writes too much or starts
 * something that outlives it cannot hold us. A digest is no secret. */
static int memory_file(const uint8_t *data, size_t len)
{
	int fd = memfd_create("signing", MFD_CLOEXEC);
	int rc = fd < 0 ? -errno : len ? io_pwrite_all(fd, data, len, 0) : 0;
	if (!rc)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int spawn(const char *const *argv, int in_fd, int out_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	rc = posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawnp(ret_pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static int run(const char *const *argv, int in_fd, int out_fd, int *ret_status)
{
	pid_t pid = 0;
	int rc = spawn(argv, in_fd, out_fd, &pid);
	if (rc)
		return rc;
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int helper_run(const char *helper, const char *algorithm, const char *public_key, const uint8_t *input, size_t input_len, uint8_t *ret,
	       size_t *ret_len, const struct loc *loc, struct diag *d)
{
	const char *const argv[] = { helper, algorithm, public_key, NULL };
	int in CLEANUP(fd_closep) = memory_file(input, input_len), out CLEANUP(fd_closep) = memory_file(NULL, 0), status = 0;
	off_t len;
	int rc = in < 0 ? in : out < 0 ? out : run(argv, in, out, &status);
	if (rc)
		return diag_fail(d, MVP0633, loc, "the signing helper '%s' cannot be started: %s", helper, strerror(-rc));
	if (WIFSIGNALED(status))
		return diag_fail(d, MVP0633, loc, "the signing helper '%s' was ended by signal %d", helper, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return diag_fail(d, MVP0633, loc, "the signing helper '%s' failed with exit status %d", helper, WEXITSTATUS(status));
	len = lseek(out, 0, SEEK_END);
	if (len <= 0 || (uint64_t)len > *ret_len)
		return diag_fail(d, MVP0633, loc, "the signing helper '%s' wrote %lld bytes, expected a signature of %zu", helper,
				 (long long)len, *ret_len);
	rc = io_pread_all(out, ret, (size_t)len, 0);
	if (rc)
		return diag_fail(d, MVP0633, loc, "cannot read what the signing helper '%s' wrote: %s", helper, strerror(-rc));
	*ret_len = (size_t)len;
	return 0;
}

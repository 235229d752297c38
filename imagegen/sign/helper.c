#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imagegen/base/child.h"
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

int helper_run(const char *helper, const char *algorithm, const char *public_key, const uint8_t *input, size_t input_len, uint8_t *ret,
	       size_t *ret_len, const struct loc *loc, struct diag *d)
{
	const char *const argv[] = { helper, algorithm, public_key, NULL };
	int in CLEANUP(fd_closep) = memory_file(input, input_len), out CLEANUP(fd_closep) = memory_file(NULL, 0), status = 0;
	off_t len;
	int rc = in < 0 ? in : out < 0 ? out : child_run(&(struct child){ argv, in, out, -1, NULL }, &status);
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

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/child.h"
#include "imagegen/base/mem.h"
#include "imagegen/sign/sign_int.h"

enum { PASSPHRASE_MAX = 1024 };

/* The first line; s is cut to it. */
static void cut_line(struct secret *s)
{
	const uint8_t *end = s->len ? memchr(s->data, '\n', s->len) : NULL;
	if (end)
		s->len = (size_t)(end - s->data);
	if (s->len && s->data[s->len - 1] == '\r')
		s->len--;
}

/* Byte by byte, so that the next key finds the next line. */
static int read_fd(int fd, struct secret *ret)
{
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	size_t len = 0;
	secret_alloc(&s, PASSPHRASE_MAX);
	/* What more there is to read is not for the programs that we start. */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (;;) {
		ssize_t n = read(fd, s.data + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || s.data[len] == '\n')
			break;
		if (++len == PASSPHRASE_MAX)
			return -EFBIG;
	}
	s.len = len;
	cut_line(&s);
	*ret = s;
	s = SECRET_INIT;
	return 0;
}

static int read_env(const char *name, struct secret *ret)
{
	const char *value = getenv(name);
	size_t len = value ? strlen(value) : 0;
	if (!value)
		return -ENOENT;
	child_hide(name);
	if (len > PASSPHRASE_MAX)
		return -EFBIG;
	secret_alloc(ret, len + 1);
	memcpy(ret->data, value, len);
	ret->len = len;
	return 0;
}

static bool parse_fd(const char *text, int *ret)
{
	char *end;
	errno = 0;
	long v = strtol(text, &end, 10);
	*ret = (int)v;
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && v <= 65535;
}

int sign_passphrase(const char *source, const struct loc *loc, struct secret *ret_s, struct diag *d)
{
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	int rc, fd;
	if (!strncmp(source, "file:", 5)) {
		rc = secret_read_file(source + 5, PASSPHRASE_MAX, &s);
		cut_line(&s);
	} else if (!strncmp(source, "env:", 4)) {
		rc = read_env(source + 4, &s);
	} else if (!strncmp(source, "fd:", 3) && parse_fd(source + 3, &fd)) {
		rc = read_fd(fd, &s);
	} else {
		/* What stands there may be the passphrase itself: it is not repeated. */
		(void)diag_fail(d, MVP0631, loc, "the passphrase is given in a way that is not known");
		diag_hint(d, "expected file:PATH, env:NAME or fd:N");
		return -1;
	}
	if (rc)
		return diag_fail(d, MVP0631, loc, "cannot read the passphrase from '%s': %s", source,
				 rc == -ENOENT && source[0] == 'e' ? "the variable is not set" : strerror(-rc));
	if (!s.len)
		return diag_fail(d, MVP0631, loc, "the passphrase from '%s' is empty", source);
	*ret_s = s;
	s = SECRET_INIT;
	return 0;
}

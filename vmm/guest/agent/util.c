#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX 400

uint64_t agent_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void agent_log(const char *format, ...)
{
	char text[LOG_MAX];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* What a server or a sender wrote may be in it. */
	for (char *p = text; n > 0 && *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	(void)dprintf(STDERR_FILENO, "mvp-agent: %s\n", text);
}

const char *agent_after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(s, prefix, len) ? NULL : s + len;
}

bool agent_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned digit = (unsigned)(unsigned char)*s - '0';
		if (digit > 9 || v > max / 10 || digit > max - v * 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

bool agent_format(char *ret, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(ret, size, format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < size)
		return true;
	ret[0] = 0;
	return false;
}

long agent_read_file(const char *path, void *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	size_t n = 0;
	ssize_t got = 0;
	while (n < size && ((got = read(fd, (uint8_t *)ret + n, size - n)) > 0 || (got < 0 && errno == EINTR)))
		n += got > 0 ? (size_t)got : 0;
	int error = got < 0 ? errno : n == size ? EFBIG : 0;
	close(fd);
	errno = error;
	if (error)
		return -1;
	((uint8_t *)ret)[n] = 0;
	return (long)n;
}

bool agent_sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool ok = fsync(fd) == 0;
	int error = errno;
	close(fd);
	errno = error;
	return ok;
}

/* The folder that the file is in. */
static bool sync_folder_of(const char *path)
{
	char folder[512];
	const char *slash = strrchr(path, '/');
	if (!slash)
		return agent_sync_folder(".");
	if (!agent_format(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	return agent_sync_folder(folder);
}

bool agent_write_new(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	const uint8_t *from = data;
	size_t done = 0;
	while (done < len) {
		ssize_t n = write(fd, from + done, len - done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	bool ok = done == len && fsync(fd) == 0;
	int error = errno;
	if (close(fd) != 0 && ok) {
		error = errno;
		ok = false;
	}
	if (!ok)
		(void)unlink(path);
	errno = error;
	return ok;
}

bool agent_write_file(const char *path, const void *data, size_t len)
{
	char temporary[512];
	if (!agent_format(temporary, sizeof(temporary), "%s.new", path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (!agent_write_new(temporary, data, len))
		return false;
	if (rename(temporary, path) == 0)
		return sync_folder_of(path);
	int error = errno;
	(void)unlink(temporary);
	errno = error;
	return false;
}

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void agent_base64(const uint8_t *data, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (n > 2 ? data[i + 2] : 0);
		*ret++ = digits[v >> 18];
		*ret++ = digits[v >> 12 & 63];
		*ret++ = n > 1 ? digits[v >> 6 & 63] : '=';
		*ret++ = n > 2 ? digits[v & 63] : '=';
	}
	*ret = 0;
}

static int digit_of(char c)
{
	const char *at = c ? memchr(digits, c, sizeof(digits)) : NULL;
	return at ? (int)(at - digits) : -1;
}

long agent_unbase64(const char *text, size_t text_len, uint8_t *ret, size_t size)
{
	size_t n = 0;
	if (text_len % 4)
		return -1;
	for (size_t i = 0; i < text_len; i += 4) {
		size_t pad = i + 4 < text_len ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		uint32_t v = 0;
		for (size_t k = 0; k < 4 - pad; k++) {
			int d = digit_of(text[i + k]);
			if (d < 0)
				return -1;
			v |= (uint32_t)d << (18 - 6 * k);
		}
		/* Bits that no byte has would make two texts of the same bytes. */
		if ((pad == 1 && v & 0xff) || (pad == 2 && v & 0xffff) || size - n < 3 - pad)
			return -1;
		for (size_t k = 0; k < 3 - pad; k++)
			ret[n++] = (uint8_t)(v >> (16 - 8 * k));
	}
	return (long)n;
}

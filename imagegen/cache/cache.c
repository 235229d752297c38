/* An entry is a header and its payload. The header names kind and key, so that a file under a wrong name is no entry, and has the
 * payload's SHA-256: entries are not synced when they are written, and a crash of the machine may leave one with holes. */
#include "imagegen/cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/sha.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/cache/disk.h"
#include "imagegen/cache/entry.h"

struct cache {
	char *path; /* NULL: keeps nothing */
	atomic_bool damaged;
};

/* The folder that the environment names; NULL if it names none. */
static char *default_path(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	/* The XDG base directory specification has relative paths ignored. */
	if (xdg && xdg[0] == '/')
		return mem_printf("%s/mvp", xdg);
	return home && home[0] == '/' ? mem_printf("%s/.cache/mvp", home) : NULL;
}

/* mkdir -p for us alone. 0 or -errno. */
static int make_folders(const char *path)
{
	char *part CLEANUP_FREE = mem_strdup(path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* May the folder be trusted? What others could put there would end up in images. */
static const char *why_unusable(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "it is no folder";
	if (st.st_uid != geteuid())
		return "it belongs to another user";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "other users may write to it";
	return access(path, R_OK | W_OK | X_OK) < 0 ? strerror(errno) : NULL;
}

struct cache *cache_none(void)
{
	return mem_new(struct cache);
}

struct cache *cache_open(struct diag *d)
{
	struct cache *c = cache_none();
	char *path CLEANUP_FREE = default_path();
	if (!path)
		return c;
	int r = make_folders(path);
	const char *why = r < 0 ? strerror(-r) : why_unusable(path);
	if (why) {
		diag_warn(d, MVP0830, &LOC_FILE(path), "the cache cannot be used: %s", why);
		return c;
	}
	c->path = TAKE(path);
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	free(c->path);
	free(c);
}

const char *cache_path(const struct cache *c)
{
	return c->path;
}

bool cache_damaged(const struct cache *c)
{
	return atomic_load(&c->damaged);
}

void cache_set_damaged(struct cache *c)
{
	atomic_store(&c->damaged, true);
}

char *cache_entry_path(const struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN])
{
	char hex[2 * CACHE_KEY_LEN + 1];
	return c->path ? mem_printf("%s/%s/%s", c->path, kind, text_hex(key, CACHE_KEY_LEN, hex)) : NULL;
}

bool cache_get(struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN], size_t max, uint8_t **ret_data, size_t *ret_len)
{
	char *path CLEANUP_FREE = cache_entry_path(c, kind, key);
	uint8_t *file CLEANUP_FREE = NULL;
	size_t len;
	int fd CLEANUP(fd_closep) = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	if (io_read_fd(fd, max + CACHE_HEADER_LEN, &file, &len) < 0 || !cache_entry_valid(file, len, kind, key)) {
		(void)unlink(path);
		return false;
	}
	(void)futimens(fd, NULL); /* used now: what was not used for long goes first */
	*ret_len = len - CACHE_HEADER_LEN;
	memmove(file, file + CACHE_HEADER_LEN, *ret_len);
	*ret_data = TAKE(file);
	return true;
}

void cache_put(struct cache *c, const char *kind, const uint8_t key[CACHE_KEY_LEN], const void *data, size_t len)
{
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	struct cache_header h = { .len = len };
	uint8_t bytes[CACHE_HEADER_LEN];
	char hex[2 * CACHE_KEY_LEN + 1];
	if (!c->path)
		return;
	char *dir CLEANUP_FREE = mem_printf("%s/%s", c->path, kind);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return;
	(void)stpncpy(h.kind, kind, sizeof(h.kind) - 1);
	memcpy(h.key, key, sizeof(h.key));
	SHA256(data, len, h.sum);
	cache_header_emit(&h, bytes);
	int r = tmpfile_open(dir, text_hex(key, CACHE_KEY_LEN, hex), 0600, &t);
	if (!r)
		r = io_write_all(tmpfile_fd(t), bytes, sizeof(bytes));
	if (!r)
		r = io_write_all(tmpfile_fd(t), data, len);
	if (!r)
		r = tmpfile_publish_unsynced(t);
	(void)r; /* what is not kept is made again */
}

#include "imagegen/base/tmpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"

struct tmpfile {
	int fd, dir_fd;
	char *temp; /* name in the folder while unpublished, else NULL */
	char *name, *path;
};

struct tmpdir {
	int fd;
	char *path;
};

#define ATTEMPTS 100

/* A fresh name each time; getrandom never fails for so few bytes once the system is up. */
static char *random_name(void)
{
	uint8_t r[8];
	char hex[2 * sizeof(r) + 1];
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		abort();
	return mem_printf(TMPFILE_PREFIX "%s", text_hex(r, sizeof(r), hex));
}

/* Takes the owner's lock. Between creation and lock a sweep may have removed it: then there is no link left and the caller tries again. */
static bool lock_alive(int fd)
{
	struct stat st;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

int tmpfile_open(const char *dir, const char *name, mode_t mode, struct tmpfile **ret_t)
{
	struct tmpfile *t CLEANUP(tmpfile_freep) = mem_new(struct tmpfile);
	t->fd = -1;
	t->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir_fd < 0)
		return -errno;
	t->name = mem_strdup(name);
	t->path = mem_printf("%s/%s", dir, name);
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		char *temp CLEANUP_FREE = random_name();
		fd_closep(&t->fd); /* of an attempt that a sweep spoiled */
		t->fd = openat(t->dir_fd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (t->fd < 0 && errno == EEXIST)
			continue;
		if (t->fd < 0)
			return -errno;
		if (!lock_alive(t->fd))
			continue;
		t->temp = TAKE(temp);
		*ret_t = TAKE(t);
		return 0;
	}
	return -EAGAIN;
}

int tmpfile_fd(const struct tmpfile *t)
{
	return t->fd;
}

const char *tmpfile_path(const struct tmpfile *t)
{
	return t->path;
}

int tmpfile_open_direct(const struct tmpfile *t)
{
	if (!t->temp)
		return -EINVAL;
	int fd = openat(t->dir_fd, t->temp, O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* rename() gives a file its name atomically; link() does so only if the name is free. */
static int publish(struct tmpfile *t, bool replace, bool sync)
{
	if (!t->temp)
		return -EINVAL;
	if (sync && fsync(t->fd) < 0)
		return -errno;
	int r = replace ? renameat(t->dir_fd, t->temp, t->dir_fd, t->name) : linkat(t->dir_fd, t->temp, t->dir_fd, t->name, 0);
	if (r < 0)
		return -errno;
	if (!replace)
		(void)unlinkat(t->dir_fd, t->temp, 0); /* a second name at worst; a sweep takes it later */
	mem_freep(&t->temp);
	if (!sync || fsync(t->dir_fd) == 0)
		return 0;
	int err = errno;
	if (!replace)
		(void)unlinkat(t->dir_fd, t->name, 0);
	return -err;
}

int tmpfile_publish(struct tmpfile *t)
{
	return publish(t, true, true);
}

int tmpfile_publish_new(struct tmpfile *t)
{
	return publish(t, false, true);
}

int tmpfile_publish_unsynced(struct tmpfile *t)
{
	return publish(t, true, false);
}

void tmpfile_free(struct tmpfile *t)
{
	if (!t)
		return;
	if (t->temp)
		(void)unlinkat(t->dir_fd, t->temp, 0);
	fd_closep(&t->fd);
	fd_closep(&t->dir_fd);
	free(t->temp);
	free(t->name);
	free(t->path);
	free(t);
}

int tmpfile_unlinked(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
		return -errno;
	/* A file system without O_TMPFILE. */
	int dir_fd CLEANUP(fd_closep) = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		char *temp CLEANUP_FREE = random_name();
		fd = openat(dir_fd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return -errno;
		(void)unlinkat(dir_fd, temp, 0);
		return fd;
	}
	return -EAGAIN;
}

int tmpdir_new(const char *dir, struct tmpdir **ret_t)
{
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		char *name CLEANUP_FREE = random_name();
		char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
		if (mkdir(path, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !lock_alive(fd)) {
			fd_closep(&fd);
			continue;
		}
		struct tmpdir *t = mem_new(struct tmpdir);
		t->fd = fd;
		t->path = TAKE(path);
		*ret_t = t;
		return 0;
	}
	return -EAGAIN;
}

const char *tmpdir_path(const struct tmpdir *t)
{
	return t->path;
}

static int remove_tree(const char *path)
{
	char *copy CLEANUP_FREE = mem_strdup(path);
	char *roots[] = { copy, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return -errno;
	int result = 0;
	for (FTSENT *e; (e = fts_read(fts));) {
		if (e->fts_info == FTS_D) {
			(void)chmod(e->fts_accpath, 0700); /* a folder without write permission keeps its entries */
			continue;
		}
		if (remove(e->fts_accpath) < 0)
			result = -errno;
	}
	(void)fts_close(fts);
	return result;
}

void tmpdir_free(struct tmpdir *t)
{
	if (!t)
		return;
	(void)remove_tree(t->path); /* what stays is found by a later sweep */
	fd_closep(&t->fd);
	free(t->path);
	free(t);
}

unsigned tmpfile_sweep(const char *dir)
{
	unsigned removed = 0;
	DIR *d CLEANUP(dir_closep) = opendir(dir);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (strncmp(e->d_name, TMPFILE_PREFIX, strlen(TMPFILE_PREFIX)) != 0)
			continue;
		int fd CLEANUP(fd_closep) = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st, now;
		if (fd < 0 || fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || st.st_uid != geteuid())
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		/* The name may by now be another file's. */
		if (fstatat(dirfd(d), e->d_name, &now, AT_SYMLINK_NOFOLLOW) < 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev)
			continue;
		char *path CLEANUP_FREE = mem_printf("%s/%s", dir, e->d_name);
		if (remove_tree(path) == 0)
			removed++;
	}
	return removed;
}

#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"

enum { FILM_MS = 200, RECENT_MS = 1000 };
#define PICTURE_MAX ((size_t)64 << 20)

static volatile sig_atomic_t asked;

static void on_usr1(int sig)
{
	(void)sig;
	asked = 1;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int open_file(const char *path, struct tmpfile **ret, struct diag *d)
{
	const char *slash = strrchr(path, '/');
	char *dir CLEANUP_FREE = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	int rc = tmpfile_open(dir, slash ? slash + 1 : path, 0666, ret);
	return rc ? diag_fail(d, MVP0906, &LOC_FILE(path), "cannot write: %s", strerror(-rc)) : 0;
}

static int publish(struct tmpfile *f, const char *path, struct diag *d)
{
	int rc = tmpfile_publish(f);
	return rc ? diag_fail(d, MVP0906, &LOC_FILE(path), "cannot write: %s", strerror(-rc)) : 0;
}

static int open_files(struct screen *s, struct diag *d)
{
	struct tmpfile *probe CLEANUP(tmpfile_freep) = NULL;
	if (s->opts.screenshot && open_file(s->opts.screenshot, &probe, d))
		return -1;
	if (!s->opts.record)
		return 0;
	if (open_file(s->opts.record, &s->film_file, d))
		return -1;
	s->film = apng_new(tmpfile_fd(s->film_file), s->opts.width, s->opts.height, s->opts.record);
	return 0;
}

int screen_init(struct screen *s, const struct screen_opts *opts, struct args *argv, struct diag *d)
{
	struct sigaction usr1 = { .sa_handler = on_usr1, .sa_flags = (int)SA_RESTART };
	int fds[2];
	s->opts = *opts;
	if (open_files(s, d))
		return -1;
	s->frame_fd = memfd_create("frame", MFD_CLOEXEC);
	if (s->frame_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return diag_fail(d, MVP0906, NULL, "no memory for pictures: %s", strerror(errno));
	s->qmp.fd = fds[0];
	s->qemu_fd = fds[1];
	sigemptyset(&usr1.sa_mask);
	(void)sigaction(SIGUSR1, &usr1, NULL);
	args_add(argv, "-chardev");
	args_addf(argv, "socket,id=pictures,fd=%d", s->qemu_fd);
	args_add(argv, "-mon");
	args_add(argv, "chardev=pictures,mode=control");
	/* So that there is still a screen when the handset has switched itself off. */
	args_add(argv, "-action");
	args_add(argv, "shutdown=pause");
	return 0;
}

void screen_fini(struct screen *s)
{
	qmp_fini(&s->qmp);
	fd_closep(&s->qemu_fd);
	fd_closep(&s->frame_fd);
	apng_free(s->film);
	tmpfile_free(s->film_file);
	free(s->last);
}

void screen_pass_on(const struct screen *s)
{
	if (s->qemu_fd < 0)
		return;
	(void)fcntl(s->qemu_fd, F_SETFD, 0);
	(void)fcntl(s->frame_fd, F_SETFD, 0);
}

bool screen_begin(struct screen *s)
{
	int fd = s->qmp.fd;
	fd_closep(&s->qemu_fd);
	s->qmp.fd = -1;
	s->begun_ms = now_ms();
	return qmp_begin(&s->qmp, fd);
}

/* The screen as it is now into s->last, which stays as it was when QEMU has gone. */
static int look(struct screen *s, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("/proc/self/fd/%d", s->frame_fd), *why CLEANUP_FREE = NULL;
	uint8_t *data CLEANUP_FREE = NULL;
	struct stat st;
	if (s->qmp.fd < 0)
		return 0;
	if (!qmp_screendump(&s->qmp, path, &why))
		return s->qmp.fd < 0 ? 0 : diag_fail(d, MVP0906, NULL, "QEMU gives no picture: %s", why);
	if (fstat(s->frame_fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > PICTURE_MAX)
		return diag_fail(d, MVP0906, NULL, "QEMU gives no picture");
	data = mem_try((size_t)st.st_size, 1);
	if (!data || io_pread_all(s->frame_fd, data, (size_t)st.st_size, 0))
		return diag_fail(d, MVP0906, NULL, "a picture cannot be read");
	free(s->last);
	s->last = TAKE(data);
	s->last_len = (size_t)st.st_size;
	if (s->film) {
		bool added;
		return apng_add(s->film, s->last, s->last_len, (uint64_t)(now_ms() - s->begun_ms), &added, d);
	}
	return 0;
}

static int save(struct screen *s, struct diag *d)
{
	struct tmpfile *f CLEANUP(tmpfile_freep) = NULL;
	int rc;
	if (!s->last)
		return diag_fail(d, MVP0906, &LOC_FILE(s->opts.screenshot), "the handset ended before a picture could be taken");
	if (open_file(s->opts.screenshot, &f, d))
		return -1;
	rc = io_write_all(tmpfile_fd(f), s->last, s->last_len);
	if (rc)
		return diag_fail(d, MVP0906, &LOC_FILE(s->opts.screenshot), "cannot write: %s", strerror(-rc));
	return publish(f, s->opts.screenshot, d);
}

int screen_tick(struct screen *s, bool *ret_off, struct diag *d)
{
	int64_t now = now_ms();
	qmp_poll(&s->qmp);
	*ret_off = s->qmp.off;
	if (asked && s->opts.screenshot) {
		asked = 0;
		return look(s, d) || save(s, d) ? -1 : 0;
	}
	if ((!s->film && !s->opts.keep_recent) || now < s->next_ms)
		return 0;
	s->next_ms = now + (s->film ? FILM_MS : RECENT_MS);
	return look(s, d);
}

static int finish_film(struct screen *s, struct diag *d)
{
	uint32_t frames;
	if (apng_end(s->film, (uint64_t)(now_ms() - s->begun_ms), &frames, d))
		return -1;
	if (!frames)
		return diag_fail(d, MVP0906, &LOC_FILE(s->opts.record), "the screen was never drawn on: there is nothing to keep");
	return publish(s->film_file, s->opts.record, d);
}

int screen_end(struct screen *s, struct diag *d)
{
	int rc = look(s, d);
	if (!rc && s->opts.screenshot)
		rc = save(s, d);
	if (s->film && finish_film(s, d))
		rc = -1;
	return rc;
}

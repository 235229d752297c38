/* ext4 file systems from outside, as diff and kernels out of system images read them: every name, one file by its path, and who owns a
 * block. A file may say that it is 64 GiB of zeros, which are then hashed: the time is cut short as a user's key press would do it. */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/fs/ext4_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CPU_MS = 200, FILE_MAX = 1 << 20 };
static atomic_bool stop;

static void time_over(int signal)
{
	(void)signal;
	atomic_store(&stop, true);
}

/* Of the process's own time: libFuzzer has the other timer. */
static void start_timer(void)
{
	const struct itimerval once = { .it_value = { .tv_usec = CPU_MS * 1000 } };
	(void)signal(SIGVTALRM, time_over);
	atomic_store(&stop, false);
	if (setitimer(ITIMER_VIRTUAL, &once, NULL) < 0)
		abort();
}

struct seen {
	size_t files;
};

static int visit(void *ctx, const struct ext4_file *f, struct diag *d)
{
	struct seen *s = ctx;
	(void)d;
	if (!f->path || f->path[0] != '/' || (f->target && f->has_content))
		abort();
	s->files++;
	return 0;
}

static int visit_below(void *ctx, const struct ext4_file *f, struct ext4_content *c, struct diag *d)
{
	uint8_t piece[4096];
	size_t got = 1, total = 0;
	(void)ctx;
	if (f->path[0] != '/' || strcmp(f->path, "/") == 0)
		abort();
	while ((f->mode & 0170000) == 0100000 && got && total < FILE_MAX) {
		if (ext4_content_read(c, piece, sizeof(piece), &got, d) < 0)
			return -1;
		total += got;
		if (got > sizeof(piece) || total > f->len)
			abort();
	}
	return 0;
}

/* Either it worked, or it says why; a stop is said by whoever asked for it. */
static void check(int r, const struct diag *d)
{
	if (r < 0 ? diag_errors(d) == 0 && !atomic_load(&stop) : diag_errors(d) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const paths[] = { "/boot/vmlinuz-*", "/etc/link", "/*/*" };
	struct seen seen = { 0 };
	struct image *img CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, len), data, len), len);
	start_timer();
	struct diag *d CLEANUP(diag_freep) = diag_new();
	diag_watch(d, &stop);
	int r = ext4_list(img, "fuzz", visit, &seen, d);
	check(r, d);
	if (r == 0 && seen.files == 0)
		abort();
	struct diag *below CLEANUP(diag_freep) = diag_new();
	diag_watch(below, &stop);
	check(ext4_list_below(img, "fuzz", "/etc", visit_below, NULL, below), below);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct diag *one CLEANUP(diag_freep) = diag_new();
		uint8_t *file CLEANUP_FREE = NULL;
		char *path CLEANUP_FREE = NULL;
		size_t file_len = 0;
		diag_watch(one, &stop);
		r = ext4_read_file(img, "fuzz", paths[i], FILE_MAX, &LOC_FILE("fuzz"), &file, &file_len, &path, one);
		check(r, one);
		if ((r == 0) != (file && path) || file_len > FILE_MAX)
			abort();
	}
	for (uint64_t at = 0; at < len && at < 64 * 1024; at += 4096 + 1024) {
		struct diag *one CLEANUP(diag_freep) = diag_new();
		char *what CLEANUP_FREE = NULL;
		diag_watch(one, &stop);
		r = ext4_owner(img, "fuzz", at, &what, one);
		check(r, one);
		if ((r == 0) != (what != NULL))
			abort();
	}
	return 0;
}

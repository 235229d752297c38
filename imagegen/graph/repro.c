/* Is a build reproducible? It is made a second time, elsewhere and otherwise, and compared. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/diff/facts.h"
#include "imagegen/fs/ext4_list.h"
#include "imagegen/graph/build.h"
#include "imagegen/graph/repro.h"
#include "imagegen/inspect/inspect.h"

enum { BLOCK = 4096, NAMED_MAX = 10 };

/* Where two images differ, in runs of whole blocks. */
struct difference {
	uint64_t first;   /* byte; the shorter one's length if it is all of the longer one's front */
	uint64_t run_end; /* of the first run, in bytes */
	uint64_t runs, blocks;
};

/* One block of both, at byte at. */
static void take_block(struct difference *r, uint64_t at, const uint8_t *x, const uint8_t *y, size_t n, bool *running)
{
	bool differs = memcmp(x, y, n) != 0;
	for (size_t i = 0; differs && !r->blocks && i < n; i++) {
		if (x[i] != y[i]) {
			r->first = at + i;
			break;
		}
	}
	r->blocks += differs;
	r->runs += differs && !*running;
	if (differs && r->runs == 1)
		r->run_end = at + n;
	*running = differs;
}

static int find_differences(const struct image *a, const struct image *b, struct difference *ret, struct diag *d)
{
	uint64_t len = num_min(image_len(a), image_len(b));
	uint8_t *x CLEANUP_FREE = mem_zeroed(2, MIB), *y = x + MIB;
	bool running = false;
	*ret = (struct difference){ .first = len, .run_end = num_max(image_len(a), image_len(b)) };
	for (uint64_t at = 0; at < len; at += MIB) {
		size_t n = (size_t)num_min(MIB, len - at);
		if (image_read(a, at, x, n, d) || image_read(b, at, y, n, d))
			return -1;
		for (size_t i = 0; i < n; i += BLOCK)
			take_block(ret, at + i, x + i, y + i, num_min(BLOCK, n - i), &running);
	}
	return 0;
}

/* What a file system keeps there; what cannot be found out is left unsaid. */
static void note_owner(struct image *img, const char *path, uint64_t at, struct diag *d)
{
	struct diag *quiet CLEANUP(diag_freep) = diag_new();
	char *what CLEANUP_FREE = NULL;
	if (ext4_owner(img, path, at, &what, quiet) == 0)
		diag_note(d, "in the file system: %s", what);
}

/* The partitions that byte at lies in, from the outermost, then the file. */
static void note_place(struct image *img, const char *path, uint64_t at, struct diag *d)
{
	struct diag *quiet CLEANUP(diag_freep) = diag_new();
	struct inspect info CLEANUP(inspect_fini) = { 0 };
	char *place CLEANUP_FREE = mem_strdup("");
	struct image *inner CLEANUP(image_freep) = image_ref(img);
	if (inspect_image(img, path, &info, quiet))
		return;
	const struct inspect *in = &info;
	for (bool found = true; found && in->kind == INSPECT_GPT;) {
		found = false;
		for (size_t i = 0; i < in->parts_count && !found; i++) {
			const struct inspect_part *p = &in->parts[i];
			if (at < p->entry.at || at - p->entry.at >= p->entry.len)
				continue;
			char *longer = mem_printf("%s%s%s", place, *place ? ", in it " : "", p->entry.name);
			struct image *slice = image_slice(inner, p->entry.at, p->entry.len);
			free(place);
			image_free(inner);
			place = longer;
			inner = slice;
			at -= p->entry.at;
			in = &p->content;
			found = true;
		}
	}
	if (*place)
		diag_note(d, "partition %s, byte %llu of it (%s)", place, (unsigned long long)at, inspect_kind_name(in->kind));
	if (in->kind == INSPECT_EXT4)
		note_owner(inner, path, at, d);
}

struct named {
	struct diag *d;
	size_t count;
};

static void note_thing(void *ctx, const struct fact *was, const struct fact *is)
{
	struct named *n = ctx;
	if (n->count++ < NAMED_MAX)
		diag_note(n->d, "differs: %s", was ? was->where : is->where);
}

/* Members, partitions and files that are not the same; at most a few are named. */
static void note_things(const char *path, const char *other, const char *tmp_dir, struct diag *d)
{
	struct diag *quiet CLEANUP(diag_freep) = diag_new();
	struct facts a CLEANUP(facts_fini) = { 0 }, b CLEANUP(facts_fini) = { 0 };
	struct named n = { .d = d };
	if (facts_gather(path, tmp_dir, &a, quiet) || facts_gather(other, tmp_dir, &b, quiet))
		return;
	(void)facts_compare(&a, &b, note_thing, &n);
	if (n.count > NAMED_MAX)
		diag_note(d, "and %zu more; `mvpctl diff` of two builds lists them", n.count - NAMED_MAX);
}

int repro_compare(const char *path, const char *other, const char *tmp_dir, struct diag *d)
{
	struct image *a CLEANUP(image_freep) = NULL, *b CLEANUP(image_freep) = NULL;
	struct difference diff;
	if (inspect_open(path, &a, d) || inspect_open(other, &b, d) || find_differences(a, b, &diff, d))
		return -1;
	if (!diff.blocks && image_len(a) == image_len(b))
		return 0;
	(void)diag_fail(d, MVP0834, &LOC_AT(path, diff.first),
			"a second build made another file: %llu and %llu bytes, the first difference at byte %llu",
			(unsigned long long)image_len(a), (unsigned long long)image_len(b), (unsigned long long)diff.first);
	if (diff.blocks)
		diag_note(d, "%llu blocks of 4 KiB differ, in %llu extents; the first extent is bytes %llu to %llu",
			  (unsigned long long)diff.blocks, (unsigned long long)diff.runs, (unsigned long long)align_down(diff.first, BLOCK),
			  (unsigned long long)(diff.run_end - 1));
	note_place(a, path, diff.first, d);
	note_things(path, other, tmp_dir, d);
	return -1;
}

static int compare(const struct build_result *a, const struct build_result *b, const char *tmp_dir, struct diag *d)
{
	int rc = 0;
	if (a->outputs.count != b->outputs.count)
		return diag_fail(d, MVP0834, NULL, "the first build made %zu files, the second %zu", a->outputs.count, b->outputs.count);
	for (size_t i = 0; i < a->outputs.count; i++) {
		const struct bundle_output *x = &a->outputs.v[i], *y = &b->outputs.v[i];
		if (x->len != y->len || memcmp(x->sha256, y->sha256, sizeof(x->sha256)))
			rc |= repro_compare(x->path, y->path, tmp_dir, d);
	}
	return rc;
}

/* What the environment says that must not matter. */
struct setting {
	const char *name, *other;
	char *was;
};

static void change(struct setting *v, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *now = getenv(v[i].name);
		v[i].was = now ? mem_strdup(now) : NULL;
		(void)setenv(v[i].name, v[i].other, 1);
	}
	tzset();
}

static void restore(struct setting *v, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (v[i].was)
			(void)setenv(v[i].name, v[i].was, 1);
		else
			(void)unsetenv(v[i].name);
		free(v[i].was);
	}
	tzset();
}

int build_check(const struct manifest *m, const struct build_opts *opts, struct build_result *ret, struct diag *d)
{
	struct setting settings[] = { { "TZ", "Pacific/Kiritimati", NULL }, { "LC_ALL", "C", NULL }, { "LANG", "C", NULL } };
	struct build_opts first = *opts, second = *opts;
	struct build_result a CLEANUP(build_result_fini) = { 0 }, b CLEANUP(build_result_fini) = { 0 };
	struct tmpdir *tmp CLEANUP(tmpdir_freep) = NULL;
	struct loc loc = LOC_FILE(opts->out_dir);
	first.cache = second.cache = false;
	if (build_run(m, &first, &a, d))
		return -1;
	int rc = tmpdir_new(opts->out_dir, &tmp);
	if (rc)
		return diag_fail(d, MVP0821, &loc, "cannot make a work folder there: %s", strerror(-rc));
	char *elsewhere CLEANUP_FREE = mem_printf("%s/another/folder", tmpdir_path(tmp));
	second.out_dir = elsewhere;
	second.jobs = opts->jobs == 1 ? 4 : 1;
	/* Nobody else runs now: umask and environment belong to the whole process. */
	mode_t mask = umask(077);
	change(settings, ARRAY_LEN(settings));
	(void)nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
	rc = build_run(m, &second, &b, d);
	restore(settings, ARRAY_LEN(settings));
	(void)umask(mask);
	if (rc || compare(&a, &b, tmpdir_path(tmp), d))
		return -1;
	*ret = a;
	a = (struct build_result){ 0 };
	return 0;
}

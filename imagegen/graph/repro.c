/* Is a build reproducible? It is made a second time, elsewhere and otherwise, and compared. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/graph/build.h"
#include "imagegen/inspect/inspect.h"

/* The first byte that differs; the shorter one's length if it is all of the longer one's front. */
static int first_difference(const struct image *a, const struct image *b, uint64_t *ret_at, struct diag *d)
{
	uint64_t len = num_min(image_len(a), image_len(b));
	uint8_t *x CLEANUP_FREE = mem_zeroed(2, MIB), *y = x + MIB;
	for (uint64_t at = 0; at < len; at += MIB) {
		size_t n = (size_t)num_min(MIB, len - at);
		if (image_read(a, at, x, n, d) || image_read(b, at, y, n, d))
			return -1;
		for (size_t i = 0; memcmp(x, y, n) && i < n; i++) {
			if (x[i] != y[i]) {
				*ret_at = at + i;
				return 0;
			}
		}
	}
	*ret_at = len;
	return 0;
}

/* Notes the partitions that byte at lies in, from the outermost. */
static void note_place(struct image *img, const char *path, uint64_t at, struct diag *d)
{
	struct diag *quiet CLEANUP(diag_freep) = diag_new();
	struct inspect info = { 0 };
	char *place CLEANUP_FREE = mem_strdup("");
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
			free(place);
			place = longer;
			at -= p->entry.at;
			in = &p->content;
			found = true;
		}
	}
	if (*place)
		diag_note(d, "partition %s, byte %llu of it (%s)", place, (unsigned long long)at, inspect_kind_name(in->kind));
	inspect_fini(&info);
}

static int report(const char *path, const char *other, struct diag *d)
{
	struct image *a CLEANUP(image_freep) = NULL, *b CLEANUP(image_freep) = NULL;
	uint64_t at;
	if (inspect_open(path, &a, d) || inspect_open(other, &b, d) || first_difference(a, b, &at, d))
		return -1;
	(void)diag_fail(d, MVP0834, &LOC_AT(path, at),
			"a second build made another file: %llu and %llu bytes, the first difference at byte %llu",
			(unsigned long long)image_len(a), (unsigned long long)image_len(b), (unsigned long long)at);
	note_place(a, path, at, d);
	return -1;
}

static int compare(const struct build_result *a, const struct build_result *b, struct diag *d)
{
	int rc = 0;
	if (a->outputs.count != b->outputs.count)
		return diag_fail(d, MVP0834, NULL, "the first build made %zu files, the second %zu", a->outputs.count, b->outputs.count);
	for (size_t i = 0; i < a->outputs.count; i++) {
		const struct bundle_output *x = &a->outputs.v[i], *y = &b->outputs.v[i];
		if (x->len != y->len || memcmp(x->sha256, y->sha256, sizeof(x->sha256)))
			rc |= report(x->path, y->path, d);
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
	if (rc || compare(&a, &b, d))
		return -1;
	*ret = a;
	a = (struct build_result){ 0 };
	return 0;
}

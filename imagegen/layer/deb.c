/* deb: the files of Debian packages (deb(5), format 2.0): an ar archive whose member data.tar.* holds them. What dpkg would do besides
 * (maintainer scripts, its database) is not done. */
#include <glob.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/archive.h"

#define READ_LEN 262144
#define PACKAGES_MAX 10000

/* The outer archive's member as the inner archive's file. */
struct member {
	struct archive *outer;
	uint8_t *bytes;
	int fd;
};

static void member_fini(struct member *m)
{
	archive_read_freep(&m->outer);
	fd_closep(&m->fd);
	free(m->bytes);
	m->bytes = NULL;
}

static la_ssize_t member_read(struct archive *inner, void *ctx, const void **ret_data)
{
	struct member *m = ctx;
	la_ssize_t n = archive_read_data(m->outer, m->bytes, READ_LEN);
	if (n < 0)
		archive_set_error(inner, archive_errno(m->outer), "%s", archive_error_string(m->outer));
	*ret_data = m->bytes;
	return n < 0 ? -1 : n;
}

static int no_package(const struct origin *o, const char *why, struct diag *d)
{
	return diag_fail(d, MVP0308, o->loc, "'%s' is not a Debian package: %s", o->label, why);
}

/* Reads up to the member data.tar.*. */
static int find_data(struct member *m, const struct origin *o, struct diag *d)
{
	for (unsigned index = 0;; index++) {
		struct archive_entry *ae;
		int r = archive_read_next_header(m->outer, &ae);
		if (r == ARCHIVE_EOF)
			return no_package(o, index == 0 ? "it is empty" : "it has no member data.tar", d);
		if (r != ARCHIVE_OK)
			return no_package(o, archive_error_string(m->outer), d);
		const char *name = archive_entry_pathname(ae);
		if (!name)
			return no_package(o, "a member has no name", d);
		if (index == 0) {
			char version[4] = "";
			la_ssize_t n = archive_read_data(m->outer, version, 2);
			if (strcmp(name, "debian-binary") != 0 || n != 2 || strcmp(version, "2.") != 0)
				return no_package(o, "its first member is not debian-binary of format 2", d);
		}
		if (strcmp(name, "data.tar") == 0 || strncmp(name, "data.tar.", 9) == 0)
			return 0;
	}
}

static int package_load(struct tree *t, const struct origin *o, const char *path, struct diag *d)
{
	struct member m CLEANUP(member_fini) = { archive_read_new(), mem_zeroed(1, READ_LEN), -1 };
	struct archive *inner CLEANUP(archive_read_freep) = NULL;
	if (!m.outer || archive_read_support_format_ar(m.outer) != ARCHIVE_OK)
		return diag_fail(d, MVP0001, NULL, "libarchive offers no reader for ar archives");
	tree_add_input(t, path);
	m.fd = io_open_input(path);
	if (m.fd < 0)
		return diag_fail(d, MVP0302, o->loc, "'%s' cannot be read: %s", path, io_open_error(m.fd));
	if (archive_read_open_fd(m.outer, m.fd, READ_LEN) != ARCHIVE_OK)
		return no_package(o, archive_error_string(m.outer), d);
	if (find_data(&m, o, d) < 0 || archive_reader_new(ARCHIVE_KIND_TAR, &inner, d) < 0)
		return -1;
	if (archive_read_open(inner, &m, NULL, member_read, NULL) != ARCHIVE_OK)
		return diag_fail(d, MVP0302, o->loc, "'%s': its data cannot be read: %s", o->label, archive_error_string(inner));
	return archive_merge(t, o, inner, NULL, false, d);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* pattern as glob(3) takes it, started from the manifest's folder, whose own name is no pattern. */
static char *rooted(const struct manifest *m, const char *pattern)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	if (pattern[0] != '/' && m->dir && m->dir[0] != '\0') {
		for (const char *p = m->dir; *p != '\0'; p++) {
			if (strchr("*?[\\", *p))
				(void)buf_putc(&b, '\\');
			(void)buf_putc(&b, *p);
		}
		(void)buf_putc(&b, '/');
	}
	(void)buf_puts(&b, pattern);
	return mem_strdup(buf_str(&b));
}

static void stamp_folder_of(struct tree *t, const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	char *folder CLEANUP_FREE = len > 0 ? mem_strndup(path, len) : mem_strdup(".");
	tree_add_stamp(t, folder);
}

/* Where another package that fits could appear: the folders that have some, and the one from which on the pattern is one. */
static void stamp_folders(struct tree *t, const char *pattern, const glob_t *found)
{
	stamp_folder_of(t, pattern, strcspn(pattern, "*?[\\"));
	for (size_t i = 0; i < found->gl_pathc; i++)
		stamp_folder_of(t, found->gl_pathv[i], strlen(found->gl_pathv[i]));
}

static int pattern_load(struct tree *t, const struct manifest *m, const struct mstr *pattern, struct diag *d)
{
	char *from CLEANUP_FREE = rooted(m, pattern->s);
	glob_t found CLEANUP(globfree) = { 0 };
	int r = glob(from, GLOB_NOSORT, NULL, &found);
	if (r == GLOB_NOMATCH)
		return diag_fail(d, MVP0301, &pattern->loc, "no package fits '%s'", from);
	if (r != 0)
		return diag_fail(d, MVP0302, &pattern->loc, "the folder of '%s' cannot be read", from);
	if (found.gl_pathc > PACKAGES_MAX)
		return diag_fail(d, MVP0307, &pattern->loc, "'%s' fits %zu packages; %d is the most", pattern->s, found.gl_pathc,
				 PACKAGES_MAX);
	qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_path);
	stamp_folders(t, from, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *base = strrchr(found.gl_pathv[i], '/');
		struct left_out left_out = { 0 };
		const struct origin o = { base ? base + 1 : found.gl_pathv[i], &pattern->loc, &left_out };
		if (package_load(t, &o, found.gl_pathv[i], d) < 0)
			return -1;
	}
	return 0;
}

static int deb_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	struct utf8_scope scope CLEANUP(utf8_leave) = utf8_enter();
	(void)scope;
	for (size_t i = 0; i < l->paths.count; i++)
		if (pattern_load(t, m, &l->paths.v[i], d) < 0)
			return -1;
	return 0;
}

const struct layer_source layer_deb = { LAYER_DEB, "deb", deb_load };

/* tar: one archive, in any compression. The contents of one that is not packed stay where they are. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/archive.h"

#define READ_LEN 262144

struct tar_file {
	int fd;
	uint8_t *bytes; /* READ_LEN of them */
	uint64_t next;  /* the place of the byte that is read next */
	struct archive_file file;
};

static void tar_file_fini(struct tar_file *f)
{
	fd_closep(&f->fd);
	free(f->bytes);
}

static la_ssize_t file_read(struct archive *a, void *ctx, const void **ret_data)
{
	struct tar_file *f = ctx;
	ssize_t n;
	do {
		n = read(f->fd, f->bytes, READ_LEN);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return -1;
	}
	f->file = (struct archive_file){ .data = f->bytes, .len = (size_t)n, .from = f->next };
	f->next += f->next == SPOOL_NOWHERE ? 0 : (uint64_t)n;
	*ret_data = f->bytes;
	return n;
}

static int open_file(struct tree *t, const struct origin *o, const char *path, struct tar_file *ret, struct diag *d)
{
	int again;
	if (access(path, F_OK) != 0)
		return diag_fail(d, MVP0301, o->loc, "there is no file '%s'", path);
	tree_add_input(t, path);
	ret->fd = io_open_input(path);
	if (ret->fd < 0)
		return diag_fail(d, MVP0302, o->loc, "'%s' cannot be read: %s", o->label, io_open_error(ret->fd));
	again = fcntl(ret->fd, F_DUPFD_CLOEXEC, 0);
	ret->next = again < 0 ? SPOOL_NOWHERE : spool_add_file(tree_spooler(t), again, path);
	ret->bytes = mem_zeroed(1, READ_LEN);
	return 0;
}

static int tar_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	struct utf8_scope scope CLEANUP(utf8_leave) = utf8_enter();
	(void)scope;
	for (size_t i = 0; i < l->paths.count; i++) {
		struct left_out left_out = { 0 };
		const struct origin o = { l->paths.v[i].s, &l->paths.v[i].loc, &left_out };
		char *path CLEANUP_FREE = manifest_path(m, o.label);
		struct tar_file f CLEANUP(tar_file_fini) = { .fd = -1, .file = { .from = SPOOL_NOWHERE } };
		struct archive *a CLEANUP(archive_read_freep) = NULL;
		if (open_file(t, &o, path, &f, d) < 0 || archive_reader_new(ARCHIVE_KIND_TAR, &a, d) < 0)
			return -1;
		if (archive_read_open(a, &f, NULL, file_read, NULL) != ARCHIVE_OK)
			return diag_fail(d, MVP0302, o.loc, "'%s' cannot be read: %s", o.label, archive_error_string(a));
		if (archive_merge(t, &o, a, &f.file, l->whiteouts.s != NULL, d) < 0)
			return -1;
	}
	return 0;
}

const struct layer_source layer_tar = { LAYER_TAR, "tar", tar_load };

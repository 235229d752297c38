/* files: entries written in the manifest itself. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/merge.h"

enum { PIECE_LEN = 1 << 16 };

static int read_text(struct spool *s, const struct layer_file *f, struct content *ret, struct diag *d)
{
	const char *text = f->content.s ? f->content.s : "";
	spool_begin(s);
	return spool_put(s, 0, text, strlen(text), f->path.s, d) < 0 ? -1 : spool_end(s, strlen(text), f->path.s, ret, d);
}

static int read_host(struct tree *t, const struct layer_file *f, struct content *ret, struct diag *d)
{
	struct spool *s = tree_spooler(t);
	uint8_t *piece CLEANUP_FREE = mem_array(uint8_t, PIECE_LEN);
	uint64_t at = 0;
	struct stat st;
	tree_add_input(t, f->host.s);
	int fd CLEANUP(fd_closep) = io_open_input(f->host.s);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return diag_fail(d, MVP0302, &f->host.loc, "'%s' cannot be read: %s", f->host.s,
				 fd < 0 ? io_open_error(fd) : "it is no regular file");
	spool_begin(s);
	for (;;) {
		ssize_t n = read(fd, piece, PIECE_LEN);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return diag_fail(d, MVP0302, &f->host.loc, "'%s' cannot be read: %s", f->host.s, strerror(errno));
		if (n == 0)
			return spool_end(s, at, f->host.s, ret, d);
		if (spool_put(s, at, piece, (size_t)n, f->host.s, d) < 0)
			return -1;
		at += (uint64_t)n;
	}
}

static int files_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	for (size_t i = 0; i < l->files_count; i++) {
		const struct layer_file *f = &l->files[i];
		const struct origin o = { m->path, &f->loc, NULL };
		struct entry e CLEANUP(entry_fini) = { .uid = f->uid, .gid = f->gid, .mtime = tree_epoch(t) };
		if (f->link.s) {
			e.mode = S_IFLNK | 0777;
			e.target = mem_strdup(f->link.s);
		} else {
			e.mode = S_IFREG | (f->mode & 07777);
			if (f->host.s ? read_host(t, f, &e.content, d) : read_text(tree_spooler(t), f, &e.content, d))
				return -1;
		}
		if (tree_put(t, &o, f->path.s, &e, d) < 0)
			return -1;
	}
	return 0;
}

const struct layer_source layer_files = { LAYER_FILES, "files", files_load };

/* files: entries written in the manifest itself. */
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/merge.h"

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
			const char *text = f->content.s ? f->content.s : "";
			struct spool *s = tree_spooler(t);
			e.mode = S_IFREG | (f->mode & 07777);
			spool_begin(s);
			if (spool_put(s, 0, text, strlen(text), f->path.s, d) < 0 ||
			    spool_end(s, strlen(text), f->path.s, &e.content, d) < 0)
				return -1;
		}
		if (tree_put(t, &o, f->path.s, &e, d) < 0)
			return -1;
	}
	return 0;
}

const struct layer_source layer_files = { LAYER_FILES, "files", files_load };

/* tar: one archive, in any compression. */
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/archive.h"

#define READ_LEN 262144

static int tar_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	struct utf8_scope scope CLEANUP(utf8_leave) = utf8_enter();
	(void)scope;
	for (size_t i = 0; i < l->paths.count; i++) {
		struct left_out left_out = { 0 };
		const struct origin o = { l->paths.v[i].s, &l->paths.v[i].loc, &left_out };
		char *path CLEANUP_FREE = manifest_path(m, o.label);
		struct archive *a CLEANUP(archive_read_freep) = NULL;
		if (access(path, F_OK) != 0)
			return diag_fail(d, MVP0301, o.loc, "there is no file '%s'", path);
		if (archive_reader_new(ARCHIVE_KIND_TAR, &a, d) < 0)
			return -1;
		tree_add_input(t, path);
		if (archive_read_open_filename(a, path, READ_LEN) != ARCHIVE_OK)
			return diag_fail(d, MVP0302, o.loc, "'%s' cannot be read: %s", o.label, archive_error_string(a));
		if (archive_merge(t, &o, a, l->whiteouts.s != NULL, d) < 0)
			return -1;
	}
	return 0;
}

const struct layer_source layer_tar = { LAYER_TAR, "tar", tar_load };

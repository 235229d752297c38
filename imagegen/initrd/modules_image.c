/* The modules of a kernel that comes in the image of a file system, as a tree: what looks for them then knows one kind of place only. Other
 * files of the image are not read. */
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/fs/ext4_list.h"
#include "imagegen/initrd/modules.h"
#include "imagegen/layer/merge.h"

#define PIECE (64 * KIB)
#define TOTAL_MAX (4 * GIB) /* of all modules: those of the largest kernels take half a gigabyte */

struct from_image {
	struct image *system;
	const char *label;
	char *folder; /* both in the image and in the tree */
	struct tree *t;
	uint8_t *piece;
	uint64_t total;
};

static void from_image_fini(struct from_image *f)
{
	free(f->folder);
	free(f->piece);
}

static int read_content(struct from_image *from, const struct ext4_file *f, struct ext4_content *c, struct content *ret, struct diag *d)
{
	struct spool *s = tree_spooler(from->t);
	size_t got = 1;
	spool_begin(s);
	for (uint64_t at = 0; got; at += got) {
		if (ext4_content_read(c, from->piece, PIECE, &got, d) < 0 || spool_put(s, at, from->piece, got, from->label, d) < 0)
			return -1;
	}
	return spool_end(s, f->len, from->label, ret, d);
}

static int add_one(void *ctx, const struct ext4_file *f, struct ext4_content *c, struct diag *d)
{
	struct from_image *from = ctx;
	const struct origin o = { from->label, NULL, NULL };
	struct entry e CLEANUP(entry_fini) = { .mode = f->mode, .mtime = f->mtime };
	if (!S_ISREG(f->mode) || (!modules_is_file(f->path) && !strstr(f->path, "/modules.builtin")))
		return 0;
	if (f->len > TOTAL_MAX - from->total)
		return diag_fail(d, MVP0411, NULL, "the modules in the image '%s' take more than %llu GiB", from->label,
				 (unsigned long long)(TOTAL_MAX / GIB));
	from->total += f->len;
	char *path CLEANUP_FREE = mem_printf("%s%s", from->folder, f->path);
	return read_content(from, f, c, &e.content, d) < 0 ? -1 : tree_put(from->t, &o, path, &e, d);
}

static int fill(struct tree *t, void *ctx, struct diag *d)
{
	struct from_image *from = ctx;
	from->t = t;
	return ext4_list_below(from->system, from->label, from->folder, add_one, from, d);
}

int modules_of_image(struct image *system, const char *label, const char *release, int64_t epoch, const char *tmp_dir, struct tree **ret_t,
		     struct diag *d)
{
	static const char *const folders[] = { "/lib/modules", "/usr/lib/modules" };
	struct from_image from CLEANUP(from_image_fini) = { .system = system, .label = label, .piece = mem_zeroed(1, PIECE) };
	struct tree *t CLEANUP(tree_freep) = NULL;
	for (size_t i = 0; i < ARRAY_LEN(folders) && !from.total; i++) {
		free(from.folder);
		from.folder = mem_printf("%s/%s", folders[i], release);
		tree_freep(&t);
		if (tree_fill(fill, &from, epoch, tmp_dir, &t, d) < 0)
			return -1;
	}
	*ret_t = TAKE(t);
	return 0;
}

/* A persona's merged file tree: what its layers say, later layers over earlier ones. File contents stay where they are (an archive is read
 * once; members are spooled to one unlinked file in tmp_dir), so memory grows with the number of files, not with their size. */
#ifndef IMAGEGEN_TREE_H
#define IMAGEGEN_TREE_H

#include "imagegen/base/base.h"
#include "imagegen/cache/stamps.h"
#include "imagegen/manifest/manifest.h"

struct tree;

/* Reads and merges the persona's layers, but for those that are whole partitions (image, android). tmp_dir is borrowed for the call. Times
 * after epoch (seconds) are set to it, so that a fresh checkout of the same sources makes the same tree. The folders a persona cannot do
 * without (/data /dev /proc /run /sys /tmp) are added when no layer has them. */
MUST_USE int tree_load(const struct manifest *m, const struct persona *p, int64_t epoch, const char *tmp_dir, struct tree **ret_tree,
		       struct diag *d);
void tree_free(struct tree *t);
DEFINE_FREEP(struct tree, tree_free)

/* SHA-256 over every path, attribute and content, in order: equal trees have equal digests whatever layers they came from. */
void tree_digest(const struct tree *t, uint8_t ret_digest[32]);

/* Content of the regular file at path, an absolute path that may hold glob patterns (fnmatch, no '/' crossing; exactly one match is
 * wanted); symlinks are followed inside the tree. loc is where the manifest asked for it. ret_data is malloc'd. ret_path may be NULL. */
MUST_USE int tree_read_file(const struct tree *t, const char *path, const struct loc *loc, uint8_t **ret_data, size_t *ret_len,
			    char **ret_path, struct diag *d);

/* Files that were read, and all else whose change would make another tree. */
const struct stamps *tree_inputs(const struct tree *t);

#endif

/* Merging: how layer sources put their entries into the tree. */
#ifndef IMAGEGEN_MERGE_H
#define IMAGEGEN_MERGE_H

#include "imagegen/layer/node.h"

/* Attributes and content of one entry. tree_put takes what it points to, also on failure; zero it or fini it otherwise. */
struct entry {
	uint32_t mode; /* type and permission bits */
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint32_t rdev_major, rdev_minor;
	char *target;           /* symbolic link */
	struct content content; /* regular file */
	struct xattr *xattrs;
	size_t xattrs_count;
};
void entry_fini(struct entry *e);
/* Adds an attribute if Linux could hold it on such a file; false if it could not (nothing is added). value is copied. */
bool entry_add_xattr(struct entry *e, const char *name, const void *value, size_t len);

/* Where entries come from, for diagnostics. */
struct origin {
	const char *label;         /* "inputs/base.tar" */
	const struct loc *loc;     /* in the manifest */
	struct left_out *left_out; /* may be NULL where nothing is left out */
};

/* What was left out of a layer. The first of a kind is warned of by name; an archive made elsewhere may hold thousands. */
struct left_out {
	unsigned xattrs, sockets;
};
void origin_left_xattr(const struct origin *o, const char *path, const char *name, struct diag *d);
void origin_left_socket(const struct origin *o, const char *path, struct diag *d);

/* Puts an entry at path (absolute or relative to the root; "." is the root). Folders above it that are missing are made; symbolic links
 * above it are followed inside the tree. */
MUST_USE int tree_put(struct tree *t, const struct origin *o, const char *path, struct entry *e TAKES, struct diag *d);
/* Makes path another name of what target names. */
MUST_USE int tree_put_link(struct tree *t, const struct origin *o, const char *path, const char *target, struct diag *d);
/* Gives the file that path names new content (an archive may carry it with one of the later names). */
MUST_USE int tree_put_content(struct tree *t, const struct origin *o, const char *path, struct content *c TAKES, struct diag *d);

/* Removes what earlier layers have at path: the name itself and what is below it (no symbolic link at the end is followed), but for what
 * this layer put there. Nothing there is no mistake. */
MUST_USE int tree_whiteout(struct tree *t, const struct origin *o, const char *path, struct diag *d);
/* The same for all that the folder at path holds. */
MUST_USE int tree_whiteout_below(struct tree *t, const struct origin *o, const char *path, struct diag *d);

/* The spool contents are written to while layers are read. */
struct spool *tree_spooler(struct tree *t);
int64_t tree_epoch(const struct tree *t);
/* Notes an input file for tree_inputs, before it is read. */
void tree_add_input(struct tree *t, const char *path);
/* The same of what is no input to name to others, but makes another tree when it changes: a folder, a link, a device. */
void tree_add_stamp(struct tree *t, const char *path);

/* A tree of its own, of what fill puts into it; contents are spooled to a file without a name in tmp_dir. */
MUST_USE int tree_fill(int (*fill)(struct tree *t, void *ctx, struct diag *d), void *ctx, int64_t epoch, const char *tmp_dir,
		       struct tree **ret_tree, struct diag *d);

/* A kind of layer. */
struct layer_source {
	enum layer_kind kind;
	const char *name; /* its key in the manifest */
	int (*load)(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d);
};
extern const struct layer_source layer_tar, layer_cpio, layer_deb, layer_dir, layer_files, layer_remove, layer_attributes;

#endif

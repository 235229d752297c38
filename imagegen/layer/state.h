/* What the files of this folder share; of no concern to others. */
#ifndef IMAGEGEN_LAYER_STATE_H
#define IMAGEGEN_LAYER_STATE_H

#include "imagegen/cache/stamps.h"
#include "imagegen/layer/merge.h"

#define TREE_NODES_MAX ((uint32_t)1 << 22) /* names in a tree */

struct tree {
	struct node *root;
	int64_t epoch;
	struct spool *spool;    /* while layers are read */
	struct image *contents; /* afterwards */
	uint32_t layer;         /* number of the one being merged, from 1 */
	/* Names by (folder, name): open addressing, a power of two of slots. Nodes stay: an entry replaced keeps its node, one removed
	 * waits in its slot for the name to come back. */
	struct node **slots;
	size_t slots_count;
	uint32_t nodes_count, inodes_count;
	struct stamps inputs;
};

void inode_unref(struct inode *i); /* drops a name; frees with the last one */
/* Takes the inode from a name that has none below it; the caller gives it another one, or counts it off its folder's children. */
void node_clear(struct node *n);

/* slots.c. A name that was removed has a slot, too. */
struct node *slots_find(const struct tree *t, const struct node *folder, const char *name, size_t len);
void slots_add(struct tree *t, struct node *n); /* its name, parent and depth are set; none of that name is there */
struct node *tree_child(const struct tree *t, const struct node *folder, const char *name, size_t len); /* NULL if there is none */

enum walk_result { WALK_FOUND, WALK_MISSING, WALK_LOOP, WALK_NOT_DIR, WALK_TOO_LONG };

/* Where a path leads, from folder on. Links on the way are followed inside the tree, the last component too if follow_last. */
struct spot {
	struct node *folder;          /* WALK_FOUND, WALK_MISSING: holds the last component; the root's is the root */
	struct node *node;            /* WALK_FOUND; WALK_NOT_DIR: what is no folder */
	char name[NODE_NAME_MAX + 1]; /* the last component */
};
/* make: called for each missing folder above the last component; NULL: WALK_MISSING with folder NULL. */
enum walk_result tree_walk(const struct tree *t, struct node *folder, const char *path, bool follow_last,
			   struct node *(*make)(void *ctx, struct node *folder, const char *name), void *make_ctx, struct spot *ret);

#endif

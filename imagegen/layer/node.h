/* The merged tree as its readers (fs/, initrd/) see it: after tree_load nothing changes any more, and any thread may read. */
#ifndef IMAGEGEN_NODE_H
#define IMAGEGEN_NODE_H

#include "imagegen/layer/spool.h"
#include "imagegen/layer/tree.h"

#define NODE_NAME_MAX 255
#define NODE_DEPTH_MAX 1024 /* folders above an entry; PATH_MAX allows no more */

/* Attribute names are those of Linux ("security.capability", "system.posix_acl_access"), values as getxattr(2) returns them. */
struct xattr {
	char *name;
	uint8_t *value;
	size_t len;
};

/* What a name stands for; several names may share one (hard links). */
struct inode {
	uint32_t mode; /* type and permission bits, values of Linux */
	uint32_t uid, gid;
	uint32_t mtime_ns;
	int64_t mtime;                   /* seconds, at most the epoch given to tree_load */
	uint32_t rdev_major, rdev_minor; /* devices only */
	uint32_t links;                  /* names in the tree */
	uint32_t index;                  /* 0 .. tree_inodes_count() - 1, in the order node_next() meets them first */
	struct content content;          /* regular files only */
	char *target;                    /* symbolic links only */
	struct xattr *xattrs;            /* sorted by name */
	size_t xattrs_count;
	struct node **children; /* folders only: sorted by name, byte by byte */
	size_t children_count;
};

struct node {
	char *name;                /* "" for the root */
	struct node *parent;       /* the root is its own parent */
	struct inode *inode;       /* NULL: removed by a later layer */
	struct node *next_sibling; /* unsorted list while layers are merged; removed names may still be in it */
	uint32_t pos;              /* in the parent's children */
	uint32_t depth;            /* 0 for the root */
	uint32_t layer;            /* that put it last */
	bool listed;               /* is in its folder's list while layers are merged */
};

const struct node *tree_root(const struct tree *t);
/* The node after n, depth first, parents before their children, names in order; NULL at the end. */
const struct node *node_next(const struct node *n);
/* As node_next, but without n's descendants. */
const struct node *node_next_beside(const struct node *n);
/* Absolute path, malloc'd. */
char *node_path(const struct node *n);

uint32_t tree_inodes_count(const struct tree *t);
/* The spooled contents that struct content_run points into; a borrowed reference, NULL if no file has content. */
struct image *tree_spool(const struct tree *t);

/* What an absolute path leads to, symbolic links followed inside the tree; NULL if there is nothing, or links loop. */
const struct node *tree_find(const struct tree *t, const char *path);
/* Content of a regular file, malloc'd, followed by a NUL that ret_len does not count; refused above max bytes. */
MUST_USE int node_read(const struct tree *t, const struct node *n, size_t max, uint8_t **ret_data, size_t *ret_len, struct diag *d);

#endif

#include "imagegen/layer/merge.h"

#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/state.h"

#define PATH_LEN_MAX 4095
#define XATTR_LEN_MAX 65536              /* XATTR_SIZE_MAX of Linux */
#define XATTRS_MAX 128                   /* of one file; what fits an ext4 block is fewer */
#define MTIME_MIN (-(int64_t)0x80000000) /* ext4 counts from 1901 on */

static void xattrs_free(struct xattr *v, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(v[i].name);
		free(v[i].value);
	}
	free(v);
}

void entry_fini(struct entry *e)
{
	free(e->target);
	content_fini(&e->content);
	xattrs_free(e->xattrs, e->xattrs_count);
	*e = (struct entry){ 0 };
}

void inode_unref(struct inode *i)
{
	if (--i->links > 0)
		return;
	free(i->target);
	content_fini(&i->content);
	xattrs_free(i->xattrs, i->xattrs_count);
	free(i->children);
	free(i);
}

bool entry_add_xattr(struct entry *e, const char *name, const void *value, size_t len)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };
	bool known = strcmp(name, "system.posix_acl_access") == 0 || (S_ISDIR(e->mode) && strcmp(name, "system.posix_acl_default") == 0);
	for (size_t i = 0; i < ARRAY_LEN(spaces) && !known; i++)
		known = strncmp(name, spaces[i], strlen(spaces[i])) == 0 && name[strlen(spaces[i])] != '\0';
	if (!known || strlen(name) > NODE_NAME_MAX || len > XATTR_LEN_MAX || e->xattrs_count >= XATTRS_MAX)
		return false;
	uint8_t *copy = mem_zeroed(len + 1, 1);
	if (len > 0)
		memcpy(copy, value, len);
	for (size_t i = 0; i < e->xattrs_count; i++)
		if (strcmp(e->xattrs[i].name, name) == 0) { /* archives may carry an attribute in two notations */
			free(e->xattrs[i].value);
			e->xattrs[i].value = copy;
			e->xattrs[i].len = len;
			return true;
		}
	struct xattr *grown = mem_array(struct xattr, e->xattrs_count + 1);
	size_t at = 0;
	while (at < e->xattrs_count && strcmp(e->xattrs[at].name, name) < 0)
		at++;
	if (e->xattrs_count > 0) {
		memcpy(grown, e->xattrs, at * sizeof *grown);
		memcpy(grown + at + 1, e->xattrs + at, (e->xattrs_count - at) * sizeof *grown);
	}
	grown[at] = (struct xattr){ mem_strdup(name), copy, len };
	free(e->xattrs);
	e->xattrs = grown;
	e->xattrs_count++;
	return true;
}

void origin_left_xattr(const struct origin *o, const char *path, const char *name, struct diag *d)
{
	if (o->left_out->xattrs++ == 0)
		diag_warn(d, MVP0310, o->loc, "'%s': attribute '%s' of '%s' is left out, and all others that Linux could not hold",
			  o->label, name, path);
}

void origin_left_socket(const struct origin *o, const char *path, struct diag *d)
{
	if (o->left_out->sockets++ == 0)
		diag_warn(d, MVP0310, o->loc, "'%s': socket '%s' is left out, and all others: their programs make them anew", o->label,
			  path);
}

static int node_add(struct tree *t, const struct origin *o, struct node *folder, const char *name, struct inode *inode TAKES,
		    struct diag *d)
{
	if (t->nodes_count >= TREE_NODES_MAX || folder->depth >= NODE_DEPTH_MAX) {
		inode_unref(inode);
		if (t->nodes_count >= TREE_NODES_MAX)
			return diag_fail(d, MVP0307, o->loc, "'%s': the layers hold more than %u entries", o->label, TREE_NODES_MAX);
		return diag_fail(d, MVP0307, o->loc, "'%s': folders are nested more than %u deep", o->label, NODE_DEPTH_MAX);
	}
	struct node *n = slots_find(t, folder, name, strlen(name));
	if (!n) {
		n = mem_new(struct node);
		n->name = mem_strdup(name);
		n->parent = folder;
		n->depth = folder->depth + 1;
		slots_add(t, n);
	}
	n->inode = inode;
	n->layer = t->layer;
	folder->inode->children_count++;
	if (n->listed)
		return 0;
	n->listed = true;
	/* While merging, children[0] is the head of the list of siblings. */
	if (!folder->inode->children)
		folder->inode->children = mem_array(struct node *, 1);
	n->next_sibling = folder->inode->children[0];
	folder->inode->children[0] = n;
	return 0;
}

void node_clear(struct node *n)
{
	struct inode *i = TAKE(n->inode);
	if (i->children)
		for (struct node *c = i->children[0]; c; c = c->next_sibling)
			c->listed = false; /* the list goes with the folder */
	inode_unref(i);
}

struct making {
	struct tree *t;
	const struct origin *o;
	struct diag *d;
	bool failed;
};

static struct inode *new_folder(const struct tree *t)
{
	struct inode *i = mem_new(struct inode);
	i->mode = S_IFDIR | 0755;
	i->mtime = t->epoch;
	i->links = 1;
	return i;
}

static struct node *make_folder(void *ctx, struct node *folder, const char *name)
{
	struct making *m = ctx;
	if (node_add(m->t, m->o, folder, name, new_folder(m->t), m->d) < 0) {
		m->failed = true;
		return NULL;
	}
	return tree_child(m->t, folder, name, strlen(name));
}

static int check_path(const struct origin *o, const char *path, struct diag *d)
{
	size_t total = strlen(path);
	if (total == 0)
		return diag_fail(d, MVP0303, o->loc, "'%s': an entry has an empty name", o->label);
	if (total > PATH_LEN_MAX)
		return diag_fail(d, MVP0303, o->loc, "'%s': the name of an entry is longer than %d bytes: '%.64s...'", o->label,
				 PATH_LEN_MAX, path);
	for (const char *p = path; *p != '\0';) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len > NODE_NAME_MAX)
			return diag_fail(d, MVP0303, o->loc, "'%s': a name in '%.64s...' is longer than %d bytes", o->label, path,
					 NODE_NAME_MAX);
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return diag_fail(d, MVP0303, o->loc, "'%s': entry '%s' climbs out of its folder with '..'", o->label, path);
		p += len;
	}
	return 0;
}

/* Walks to path and reports what stands in the way. ret->node is NULL if the name is free. */
static int place(struct tree *t, const struct origin *o, const char *path, bool follow_last, struct spot *ret, struct diag *d)
{
	struct making m = { t, o, d, false };
	switch (tree_walk(t, t->root, path, follow_last, make_folder, &m, ret)) {
	case WALK_FOUND:
		return 0;
	case WALK_MISSING:
		if (!m.failed)
			ret->node = NULL;
		return m.failed ? -1 : 0;
	case WALK_LOOP:
		return diag_fail(d, MVP0305, o->loc, "'%s': entry '%s' lies behind symbolic links that lead in circles", o->label, path);
	case WALK_NOT_DIR:
		return diag_fail(d, MVP0304, o->loc, "'%s': entry '%s' lies below '%s', which is no folder", o->label, path,
				 ret->node->name);
	case WALK_TOO_LONG:
		break;
	}
	return diag_fail(d, MVP0303, o->loc, "'%s': entry '%s' lies behind symbolic links with targets that are too long", o->label, path);
}

/* The attributes of e; what e owned moves over. */
static void fill_inode(const struct tree *t, struct inode *i, struct entry *e)
{
	i->mode = e->mode;
	i->uid = e->uid;
	i->gid = e->gid;
	i->mtime = e->mtime < MTIME_MIN ? MTIME_MIN : e->mtime;
	i->mtime_ns = e->mtime_ns < 1000000000 ? e->mtime_ns : 0;
	if (i->mtime >= t->epoch) {
		i->mtime = t->epoch;
		i->mtime_ns = 0;
	}
	i->rdev_major = e->rdev_major;
	i->rdev_minor = e->rdev_minor;
	i->target = TAKE(e->target);
	i->content = e->content;
	e->content = (struct content){ 0 };
	i->xattrs = TAKE(e->xattrs);
	i->xattrs_count = e->xattrs_count;
	e->xattrs_count = 0;
}

static struct inode *new_inode(const struct tree *t, struct entry *e)
{
	struct inode *i = mem_new(struct inode);
	i->links = 1;
	fill_inode(t, i, e);
	return i;
}

/* A folder on top of what is there. */
static int put_folder(struct tree *t, const struct origin *o, const char *path, struct entry *e, struct spot *s, struct diag *d)
{
	if (S_ISLNK(s->node->inode->mode)) {
		/* As dpkg does: a link to a folder (/bin on a merged-/usr system) stays, and the entries to come go where it leads. */
		if (place(t, o, path, true, s, d) < 0)
			return -1;
		if (!s->node)
			return node_add(t, o, s->folder, s->name, new_inode(t, e), d);
		if (!S_ISDIR(s->node->inode->mode))
			return diag_fail(d, MVP0304, o->loc,
					 "'%s': folder '%s' would replace a symbolic link to a file of an earlier layer", o->label, path);
		return 0;
	}
	s->node->layer = t->layer;
	if (!S_ISDIR(s->node->inode->mode)) {
		node_clear(s->node);
		s->node->inode = new_inode(t, e);
		return 0;
	}
	xattrs_free(s->node->inode->xattrs, s->node->inode->xattrs_count);
	fill_inode(t, s->node->inode, e);
	return 0;
}

static int put_inode(struct tree *t, const struct origin *o, const char *path, struct inode *i TAKES, struct spot *s, struct diag *d)
{
	if (!s->node)
		return node_add(t, o, s->folder, s->name, i, d);
	if (S_ISDIR(s->node->inode->mode) && (s->node == t->root || s->node->inode->children_count > 0)) {
		inode_unref(i);
		(void)diag_fail(d, MVP0304, o->loc, "'%s': entry '%s' would replace a folder that is not empty", o->label, path);
		diag_hint(d, "leave '%s' out of this layer, or put its content where the folder is", path);
		return -1;
	}
	node_clear(s->node);
	s->node->inode = i;
	s->node->layer = t->layer;
	return 0;
}

int tree_put(struct tree *t, const struct origin *o, const char *path, struct entry *e TAKES, struct diag *d)
{
	struct entry own CLEANUP(entry_fini) = *e;
	struct spot s;
	*e = (struct entry){ 0 };
	if (check_path(o, path, d) < 0)
		return -1;
	if (S_ISLNK(own.mode) && (!own.target || own.target[0] == '\0' || strlen(own.target) > PATH_LEN_MAX))
		return diag_fail(d, MVP0303, o->loc, "'%s': the symbolic link '%s' has an empty target, or one longer than %d bytes",
				 o->label, path, PATH_LEN_MAX);
	if (place(t, o, path, false, &s, d) < 0)
		return -1;
	if (S_ISDIR(own.mode) && s.node)
		return put_folder(t, o, path, &own, &s, d);
	return put_inode(t, o, path, new_inode(t, &own), &s, d);
}

/* The node of the file that a hard link names; NULL if it was refused and reported. */
static struct node *link_source(struct tree *t, const struct origin *o, const char *path, const char *target, struct diag *d)
{
	struct spot s;
	if (check_path(o, path, d) < 0 || check_path(o, target, d) < 0)
		return NULL;
	if (tree_walk(t, t->root, target, false, NULL, NULL, &s) != WALK_FOUND) {
		(void)diag_fail(d, MVP0306, o->loc, "'%s': '%s' is a hard link to '%s', which is not there", o->label, path, target);
		return NULL;
	}
	if (S_ISDIR(s.node->inode->mode)) {
		(void)diag_fail(d, MVP0306, o->loc, "'%s': '%s' is a hard link to '%s', which is a folder", o->label, path, target);
		return NULL;
	}
	return s.node;
}

int tree_put_link(struct tree *t, const struct origin *o, const char *path, const char *target, struct diag *d)
{
	struct node *source = link_source(t, o, path, target, d);
	struct spot s;
	if (!source || place(t, o, path, false, &s, d) < 0)
		return -1;
	if (s.node && s.node->inode == source->inode)
		return 0;
	source->inode->links++;
	return put_inode(t, o, path, source->inode, &s, d);
}

static void content_move(struct content *to, struct content *from)
{
	content_fini(to);
	*to = *from;
	*from = (struct content){ 0 };
}

int tree_put_content(struct tree *t, const struct origin *o, const char *path, struct content *c TAKES, struct diag *d)
{
	struct content own CLEANUP(content_fini) = *c;
	*c = (struct content){ 0 };
	struct node *n = link_source(t, o, path, path, d);
	if (!n)
		return -1;
	if (!S_ISREG(n->inode->mode))
		return diag_fail(d, MVP0306, o->loc, "'%s': the hard link '%s' carries content, but is no regular file", o->label, path);
	content_move(&n->inode->content, &own);
	return 0;
}

/* Finding names in a tree, symbolic links included. Targets come from archives: they may loop, climb above the root or be absurdly long. */
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/layer/state.h"

#define LINKS_MAX 40   /* followed in one path, as Linux does (MAXSYMLINKS) */
#define REST_MAX 16384 /* bytes of path still to go, targets included */
#define TYPE(mode) ((mode)&0170000)
#define TYPE_DIR 0040000
#define TYPE_LNK 0120000

/* The path still to go. It shrinks from the front and grows there when a link is followed, so it is kept at the end of the array. */
struct rest {
	char text[REST_MAX + 1];
	size_t at; /* the NUL is at REST_MAX */
};

static bool rest_prepend(struct rest *r, const char *s)
{
	size_t len = strlen(s);
	if (len + 1 > r->at)
		return false;
	if (r->text[r->at] != '\0')
		r->text[--r->at] = '/';
	r->at -= len;
	memcpy(r->text + r->at, s, len);
	return true;
}

/* The next component (NULL at the end); its length in ret_len. */
static const char *rest_next(struct rest *r, size_t *ret_len)
{
	r->at += strspn(r->text + r->at, "/");
	size_t len = strcspn(r->text + r->at, "/");
	if (len == 0)
		return NULL;
	const char *name = r->text + r->at;
	r->at += len;
	*ret_len = len;
	return name;
}

static bool rest_empty(const struct rest *r)
{
	return r->text[r->at + strspn(r->text + r->at, "/")] == '\0';
}

static void at_folder(struct spot *s, struct node *folder)
{
	s->folder = folder->parent;
	s->node = folder;
	memcpy(s->name, folder->name, strlen(folder->name) + 1);
}

enum walk_result tree_walk(const struct tree *t, struct node *folder, const char *path, bool follow_last,
			   struct node *(*make)(void *ctx, struct node *folder, const char *name), void *make_ctx, struct spot *ret)
{
	struct rest rest = { .at = REST_MAX };
	unsigned links = 0;
	size_t len = 0;
	const char *name;
	*ret = (struct spot){ 0 };
	if (!rest_prepend(&rest, path))
		return WALK_TOO_LONG;
	at_folder(ret, folder);
	while ((name = rest_next(&rest, &len)) != NULL) {
		if (len == 1 && name[0] == '.')
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			folder = folder->parent;
			at_folder(ret, folder);
			continue;
		}
		if (len > NODE_NAME_MAX)
			return WALK_TOO_LONG;
		bool last = rest_empty(&rest);
		ret->folder = folder;
		memcpy(ret->name, name, len);
		ret->name[len] = '\0';
		ret->node = tree_child(t, folder, name, len);
		if (!ret->node) {
			if (last)
				return WALK_MISSING;
			ret->node = make ? make(make_ctx, folder, ret->name) : NULL;
			if (!ret->node) {
				ret->folder = NULL;
				return WALK_MISSING;
			}
		}
		if (TYPE(ret->node->inode->mode) == TYPE_LNK && (!last || follow_last)) {
			const char *target = ret->node->inode->target;
			if (++links > LINKS_MAX)
				return WALK_LOOP;
			if (!rest_prepend(&rest, target))
				return WALK_TOO_LONG;
			if (target[0] == '/')
				folder = t->root;
			at_folder(ret, folder);
			continue;
		}
		if (TYPE(ret->node->inode->mode) == TYPE_DIR)
			folder = ret->node;
		else if (!last)
			return WALK_NOT_DIR;
	}
	return WALK_FOUND;
}

const struct node *tree_find(const struct tree *t, const char *path)
{
	struct spot s;
	return tree_walk(t, t->root, path, true, NULL, NULL, &s) == WALK_FOUND ? s.node : NULL;
}

const struct node *node_next_beside(const struct node *n)
{
	while (n->parent != n) {
		const struct inode *folder = n->parent->inode;
		if (n->pos + 1 < folder->children_count)
			return folder->children[n->pos + 1];
		n = n->parent;
	}
	return NULL;
}

const struct node *node_next(const struct node *n)
{
	return n->inode->children_count > 0 ? n->inode->children[0] : node_next_beside(n);
}

char *node_path(const struct node *n)
{
	size_t len = 0;
	if (n->parent == n)
		return mem_strdup("/");
	for (const struct node *up = n; up->parent != up; up = up->parent)
		len += strlen(up->name) + 1;
	char *path = mem_zeroed(len + 1, 1);
	for (const struct node *up = n; up->parent != up; up = up->parent) {
		size_t name_len = strlen(up->name);
		len -= name_len + 1;
		path[len] = '/';
		memcpy(path + len + 1, up->name, name_len);
	}
	return path;
}

/* Changing what earlier layers brought: removing names, and attributes of files. Runs while layers are merged, so folders are lists. */
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/capability.h"
#include "imagegen/layer/state.h"

#define XATTR_TEXT_MAX 65536
#define EVERYTHING UINT32_MAX

/* The first live name of a folder's list from n on. */
static struct node *live(struct node *n)
{
	while (n && !n->inode)
		n = n->next_sibling;
	return n;
}

static struct node *first_child(const struct node *n)
{
	return S_ISDIR(n->inode->mode) && n->inode->children ? live(n->inode->children[0]) : NULL;
}

/* The node after n in the subtree of top, folders after what is in them; NULL when all of top's descendants are done. */
static struct node *deepest(struct node *n)
{
	for (struct node *child = first_child(n); child; child = first_child(n))
		n = child;
	return n;
}

static void remove_if_old(struct node *n, uint32_t before)
{
	if (n->layer >= before || n->inode->children_count > 0)
		return;
	node_clear(n);
	n->parent->inode->children_count--;
}

/* Removes the descendants of top that a layer before this one put there, and folders only when nothing is left in them. */
static void remove_below(struct node *top, uint32_t before)
{
	struct node *n = first_child(top) ? deepest(top) : NULL;
	while (n) {
		struct node *next = live(n->next_sibling), *parent = n->parent;
		remove_if_old(n, before);
		n = next ? deepest(next) : parent == top ? NULL : parent;
	}
}

static void remove_node(struct node *n, uint32_t before)
{
	remove_below(n, before);
	remove_if_old(n, before);
}

int tree_whiteout(struct tree *t, const struct origin *o, const char *path, struct diag *d)
{
	struct spot s;
	if (tree_walk(t, t->root, path, false, NULL, NULL, &s) != WALK_FOUND)
		return 0;
	if (s.node == t->root)
		return diag_fail(d, MVP0303, o->loc, "'%s': '%s' would remove the root folder", o->label, path);
	remove_node(s.node, t->layer);
	return 0;
}

int tree_whiteout_below(struct tree *t, const struct origin *o, const char *path, struct diag *d)
{
	struct spot s;
	(void)o;
	(void)d;
	if (tree_walk(t, t->root, path, true, NULL, NULL, &s) == WALK_FOUND && S_ISDIR(s.node->inode->mode))
		remove_below(s.node, t->layer);
	return 0;
}

/* Nodes that a pattern fits. */
struct nodes {
	struct node **v;
	size_t count, cap;
};

static void nodes_fini(struct nodes *n)
{
	free(n->v);
}

static void nodes_add(struct nodes *n, struct node *one)
{
	mem_grow(&n->v, n->count, &n->cap, sizeof(struct node *));
	n->v[n->count++] = one;
}

/* Names in folder that one component of a pattern fits; on the way a link stands for the folder it leads to. */
static void match_in(const struct tree *t, struct node *folder, const char *part, bool last, struct nodes *ret)
{
	struct spot s;
	if (!strpbrk(part, "*?[\\")) {
		if (tree_walk(t, folder, part, !last, NULL, NULL, &s) == WALK_FOUND)
			nodes_add(ret, s.node);
		return;
	}
	for (struct node *c = first_child(folder); c; c = live(c->next_sibling))
		if (fnmatch(part, c->name, FNM_PERIOD) == 0 && tree_walk(t, folder, c->name, !last, NULL, NULL, &s) == WALK_FOUND)
			nodes_add(ret, s.node);
}

static void add_below(struct node *top, struct nodes *ret)
{
	for (struct node *n = first_child(top) ? deepest(top) : NULL; n;) {
		struct node *next = live(n->next_sibling);
		nodes_add(ret, n);
		n = next ? deepest(next) : n->parent == top ? NULL : n->parent;
	}
}

/* All that the pattern fits: fnmatch by components; a last component "**" is all that lies in the folder, at any depth. */
static void match(const struct tree *t, const char *pattern, struct nodes *ret)
{
	nodes_add(ret, t->root);
	while (ret->count > 0) {
		struct nodes next CLEANUP(nodes_fini) = { 0 };
		pattern += strspn(pattern, "/");
		size_t len = strcspn(pattern, "/");
		if (len == 0)
			return;
		char *part CLEANUP_FREE = mem_strndup(pattern, len);
		pattern += len;
		bool last = pattern[strspn(pattern, "/")] == '\0';
		for (size_t i = 0; i < ret->count; i++) {
			if (!S_ISDIR(ret->v[i]->inode->mode))
				continue;
			if (last && strcmp(part, "**") == 0)
				add_below(ret->v[i], &next);
			else
				match_in(t, ret->v[i], part, last, &next);
		}
		struct nodes old = *ret;
		*ret = next;
		next = old;
	}
}

static int want_matches(const struct mstr *pattern, const struct nodes *found, struct diag *d)
{
	if (found->count > 0)
		return 0;
	(void)diag_fail(d, MVP0311, &pattern->loc, "nothing in the layers before this one fits '%s'", pattern->s);
	diag_hint(d, "patterns fit whole names, '*' no leading dot and no '/'; a last '**' is all that a folder holds");
	return -1;
}

static int remove_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	(void)m;
	for (size_t i = 0; i < l->paths.count; i++) {
		struct nodes found CLEANUP(nodes_fini) = { 0 };
		match(t, l->paths.v[i].s, &found);
		if (want_matches(&l->paths.v[i], &found, d) < 0)
			return -1;
		for (size_t k = 0; k < found.count; k++)
			if (found.v[k]->inode && found.v[k] != t->root) /* links may have led to one node twice */
				remove_node(found.v[k], EVERYTHING);
	}
	return 0;
}

const struct layer_source layer_remove = { LAYER_REMOVE, "remove", remove_load };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A value as setfattr(1) takes it: 0x and hexadecimal digits, or text; a capability also as setcap(8) takes it. */
static int parse_value(const struct layer_xattr *x, uint8_t **ret, size_t *ret_len, struct diag *d)
{
	const char *text = x->value.s;
	size_t len = strlen(text);
	if (len > XATTR_TEXT_MAX)
		return diag_fail(d, MVP0314, &x->value.loc, "the value of '%s' has %zu characters", x->name, len);
	uint8_t *v CLEANUP_FREE = mem_zeroed(len + CAPABILITY_LEN, 1);
	if (text[0] == '0' && (text[1] | 0x20) == 'x') {
		if (len % 2)
			return diag_fail(d, MVP0314, &x->value.loc, "the value of '%s' is an odd number of hexadecimal digits", x->name);
		for (size_t i = 2; i < len; i += 2) {
			int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
			if (high < 0 || low < 0)
				return diag_fail(d, MVP0314, &x->value.loc, "the value of '%s' begins with 0x, but is not hexadecimal",
						 x->name);
			v[i / 2 - 1] = (uint8_t)(high << 4 | low);
		}
		len = len / 2 - 1;
	} else if (strcmp(x->name, "security.capability") == 0) {
		if (!capability_parse(text, v)) {
			(void)diag_fail(d, MVP0314, &x->value.loc, "'%s' is not a list of capabilities", text);
			diag_hint(d, "write them like 'cap_net_raw,cap_net_admin+ep'");
			return -1;
		}
		len = CAPABILITY_LEN;
	} else {
		memcpy(v, text, len + 1); /* with its NUL, which does not count */
	}
	*ret = TAKE(v);
	*ret_len = len;
	return 0;
}

static void remove_xattr(struct entry *e, const char *name)
{
	for (size_t i = 0; i < e->xattrs_count; i++) {
		if (strcmp(e->xattrs[i].name, name) != 0)
			continue;
		free(e->xattrs[i].name);
		free(e->xattrs[i].value);
		memmove(&e->xattrs[i], &e->xattrs[i + 1], (e->xattrs_count - i - 1) * sizeof(*e->xattrs));
		e->xattrs_count--;
		return;
	}
}

static int change_xattr(struct inode *i, const struct layer_xattr *x, struct diag *d)
{
	struct entry e = { .mode = i->mode, .xattrs = i->xattrs, .xattrs_count = i->xattrs_count };
	uint8_t *value CLEANUP_FREE = NULL;
	size_t len = 0;
	bool done = true;
	if (x->value.s && parse_value(x, &value, &len, d) < 0)
		return -1;
	if (x->value.s)
		done = entry_add_xattr(&e, x->name, value, len);
	else
		remove_xattr(&e, x->name);
	i->xattrs = e.xattrs;
	i->xattrs_count = e.xattrs_count;
	if (done)
		return 0;
	(void)diag_fail(d, MVP0314, &x->value.loc, "Linux could not hold the attribute '%s'", x->name);
	diag_hint(
		d,
		"names begin with user., trusted. or security., or are system.posix_acl_access and, for folders, system.posix_acl_default");
	return -1;
}

static int change(struct inode *i, const struct layer_attributes *a, struct diag *d)
{
	if (a->mode.given && !S_ISLNK(i->mode)) /* as chmod(1): links have no mode of their own */
		i->mode = (i->mode & S_IFMT) | ((uint32_t)a->mode.v & 07777);
	if (a->uid.given)
		i->uid = (uint32_t)a->uid.v;
	if (a->gid.given)
		i->gid = (uint32_t)a->gid.v;
	for (size_t x = 0; x < a->xattrs_count; x++)
		if (change_xattr(i, &a->xattrs[x], d) < 0)
			return -1;
	return 0;
}

static int attributes_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	(void)m;
	for (size_t i = 0; i < l->attributes_count; i++) {
		const struct layer_attributes *a = &l->attributes[i];
		struct nodes found CLEANUP(nodes_fini) = { 0 };
		match(t, a->path.s, &found);
		if (want_matches(&a->path, &found, d) < 0)
			return -1;
		for (size_t k = 0; k < found.count; k++)
			if (change(found.v[k]->inode, a, d) < 0)
				return -1;
	}
	return 0;
}

const struct layer_source layer_attributes = { LAYER_ATTRIBUTES, "attributes", attributes_load };

/* Reading single files of a finished tree. */
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/layer/state.h"

#define MATCHES_MAX 4096u
#define FILE_MAX ((size_t)1 << 30) /* a kernel or initrd larger than that is a mistake */

int node_read(const struct tree *t, const struct node *n, size_t max, uint8_t **ret_data, size_t *ret_len, struct diag *d)
{
	const struct content *c = &n->inode->content;
	if (c->len > max)
		return diag_fail(d, MVP0307, NULL, "file '%s' of the layers is larger than %zu bytes", n->name, max);
	uint8_t *data CLEANUP_FREE = mem_try((size_t)align_up(c->len + 1, SPOOL_BLOCK), 1);
	if (!data)
		return diag_fail(d, MVP0001, NULL, "no memory for file '%s' (%llu bytes)", n->name, (unsigned long long)c->len);
	for (size_t i = 0; i < c->runs_count; i++) {
		const struct content_run *run = &c->runs[i];
		if (image_read(t->contents, run->spool_at, data + run->at, (size_t)run->len, d) < 0)
			return -1;
	}
	*ret_len = (size_t)c->len;
	*ret_data = TAKE(data);
	return 0;
}

/* Nodes reached so far while a pattern is followed. */
struct matches {
	const struct node **v;
	size_t count, cap;
};

static void matches_fini(struct matches *m)
{
	free(m->v);
}

/* No more than one too many, which is one too many already. */
static void matches_add(struct matches *m, const struct node *n)
{
	if (m->count > MATCHES_MAX)
		return;
	for (size_t i = 0; i < m->count; i++)
		if (m->v[i]->inode == n->inode)
			return;
	mem_grow(&m->v, m->count, &m->cap, sizeof(struct node *));
	m->v[m->count++] = n;
}

/* All names in folder that the pattern fits, links followed. */
static void match_in(const struct tree *t, const struct node *folder, const char *pattern, struct matches *ret)
{
	struct spot s;
	for (size_t i = 0; i < folder->inode->children_count && ret->count <= MATCHES_MAX; i++) {
		struct node *child = folder->inode->children[i];
		if (fnmatch(pattern, child->name, FNM_PERIOD) == 0 &&
		    tree_walk(t, (struct node *)folder, child->name, true, NULL, NULL, &s) == WALK_FOUND)
			matches_add(ret, s.node);
	}
}

/* False: there are more than can be told apart in reasonable time. */
static bool match_all(const struct tree *t, const char *path, struct matches *ret)
{
	matches_add(ret, t->root);
	while (ret->count > 0 && ret->count <= MATCHES_MAX) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		struct matches next CLEANUP(matches_fini) = { 0 };
		if (len == 0)
			break;
		char *part CLEANUP_FREE = mem_strndup(path, len);
		path += len;
		for (size_t i = 0; i < ret->count; i++) {
			struct spot s;
			if (!S_ISDIR(ret->v[i]->inode->mode))
				continue;
			if (strpbrk(part, "*?[\\"))
				match_in(t, ret->v[i], part, &next);
			else if (tree_walk(t, (struct node *)ret->v[i], part, true, NULL, NULL, &s) == WALK_FOUND)
				matches_add(&next, s.node);
		}
		struct matches old = *ret;
		*ret = next;
		next = old;
	}
	return ret->count <= MATCHES_MAX;
}

int tree_read_file(const struct tree *t, const char *path, const struct loc *loc, uint8_t **ret_data, size_t *ret_len, char **ret_path,
		   struct diag *d)
{
	struct matches found CLEANUP(matches_fini) = { 0 };
	size_t files = 0;
	if (!match_all(t, path, &found))
		return diag_fail(d, MVP0312, loc, "'%s' fits more than %u files or folders in the layers", path, MATCHES_MAX);
	for (size_t i = 0; i < found.count; i++)
		if (S_ISREG(found.v[i]->inode->mode))
			found.v[files++] = found.v[i];
	if (files == 0) {
		(void)diag_fail(d, MVP0311, loc, "no file '%s' in the layers", path);
		diag_hint(d, "a file of the host is written 'file:PATH'");
		return -1;
	}
	if (files > 1) {
		(void)diag_fail(d, MVP0312, loc, "'%s' fits more than one file in the layers", path);
		for (size_t i = 0; i < files && i < 8; i++) {
			char *one CLEANUP_FREE = node_path(found.v[i]);
			diag_note(d, "%s", one);
		}
		return -1;
	}
	if (node_read(t, found.v[0], FILE_MAX, ret_data, ret_len, d) < 0)
		return -1;
	if (ret_path)
		*ret_path = node_path(found.v[0]);
	return 0;
}

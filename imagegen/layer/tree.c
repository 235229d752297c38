#include "imagegen/layer/tree.h"

#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/state.h"

static const struct layer_source *const sources[] = { &layer_tar,   &layer_cpio,   &layer_deb,       &layer_dir,
						      &layer_files, &layer_remove, &layer_attributes };

struct spool *tree_spooler(struct tree *t)
{
	return t->spool;
}

int64_t tree_epoch(const struct tree *t)
{
	return t->epoch;
}

void tree_add_input(struct tree *t, const char *path)
{
	stamps_add(&t->inputs, path, true);
}

void tree_add_stamp(struct tree *t, const char *path)
{
	stamps_add(&t->inputs, path, false);
}

const struct stamps *tree_inputs(const struct tree *t)
{
	return &t->inputs;
}

const struct node *tree_root(const struct tree *t)
{
	return t->root;
}

uint32_t tree_inodes_count(const struct tree *t)
{
	return t->inodes_count;
}

struct image *tree_spool(const struct tree *t)
{
	return t->contents;
}

static void node_free(struct node *n)
{
	if (n->inode)
		inode_unref(n->inode);
	free(n->name);
	free(n);
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->slots_count; i++) /* every node but the root has a slot */
		if (t->slots[i])
			node_free(t->slots[i]);
	if (t->root)
		node_free(t->root);
	free(t->slots);
	spool_free(t->spool);
	image_free(t->contents);
	stamps_fini(&t->inputs);
	free(t);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct node *const *)a)->name, (*(struct node *const *)b)->name);
}

/* Turns a folder's list of children into the sorted array. */
static void sort_children(struct inode *folder)
{
	if (folder->children_count == 0)
		return;
	struct node *n = folder->children[0];
	size_t count = 0;
	free(folder->children);
	folder->children = mem_array(struct node *, folder->children_count);
	for (; n; n = n->next_sibling)
		if (n->inode)
			folder->children[count++] = n;
	qsort(folder->children, folder->children_count, sizeof(struct node *), by_name);
	for (size_t i = 0; i < folder->children_count; i++)
		folder->children[i]->pos = (uint32_t)i;
}

/* What a persona's first process mounts on, also when the root is read-only. */
static int add_folders(struct tree *t, struct diag *d)
{
	static const struct {
		const char *name;
		uint32_t mode;
	} wanted[] = { { "data", 0755 }, { "dev", 0755 }, { "proc", 0555 }, { "run", 0755 }, { "sys", 0555 }, { "tmp", 01777 } };
	static const struct origin origin = { "mvpctl", NULL, NULL };
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		struct entry e = { .mode = S_IFDIR | wanted[i].mode, .mtime = t->epoch };
		if (tree_child(t, t->root, wanted[i].name, strlen(wanted[i].name)))
			continue;
		if (tree_put(t, &origin, wanted[i].name, &e, d) < 0)
			return -1;
	}
	return 0;
}

static void finish(struct tree *t)
{
	for (size_t i = 0; i < t->slots_count; i++)
		if (t->slots[i] && t->slots[i]->inode)
			sort_children(t->slots[i]->inode);
	sort_children(t->root->inode);
	for (const struct node *n = t->root; n; n = node_next(n))
		n->inode->index = UINT32_MAX;
	for (const struct node *n = t->root; n; n = node_next(n))
		if (n->inode->index == UINT32_MAX)
			n->inode->index = t->inodes_count++;
}

struct layers_of {
	const struct manifest *m;
	const struct persona *p;
};

static int load_layers(struct tree *t, void *ctx, struct diag *d)
{
	const struct layers_of *of = ctx;
	const struct persona *p = of->p;
	for (size_t i = 0; i < p->system.layers_count; i++) {
		const struct layer *l = &p->system.layers[i];
		const struct layer_source *source = NULL;
		if (l->kind == LAYER_IMAGE || l->kind == LAYER_ANDROID)
			continue; /* partitions of their own */
		t->layer++;
		for (size_t k = 0; k < ARRAY_LEN(sources); k++)
			if (sources[k]->kind == l->kind)
				source = sources[k];
		if (!source)
			return diag_fail(d, MVP0001, &l->loc, "no layer source is of kind %d", (int)l->kind);
		if (source->load(t, of->m, l, d) < 0)
			return -1;
	}
	return add_folders(t, d);
}

int tree_fill(int (*fill)(struct tree *t, void *ctx, struct diag *d), void *ctx, int64_t epoch, const char *tmp_dir, struct tree **ret_tree,
	      struct diag *d)
{
	struct tree *t CLEANUP(tree_freep) = mem_new(struct tree);
	t->epoch = epoch;
	t->root = mem_new(struct node);
	t->root->name = mem_strdup("");
	t->root->parent = t->root;
	t->root->inode = mem_new(struct inode);
	*t->root->inode = (struct inode){ .mode = S_IFDIR | 0755, .links = 1, .mtime = epoch };
	if (spool_new(tmp_dir, &t->spool, d) < 0 || fill(t, ctx, d) < 0 || spool_finish(t->spool, &t->contents, d) < 0)
		return -1;
	spool_free(TAKE(t->spool));
	finish(t);
	*ret_tree = TAKE(t);
	return 0;
}

int tree_load(const struct manifest *m, const struct persona *p, int64_t epoch, const char *tmp_dir, struct tree **ret_tree, struct diag *d)
{
	struct layers_of of = { m, p };
	return tree_fill(load_layers, &of, epoch, tmp_dir, ret_tree, d);
}

static void digest_blob(struct buf *b, const void *data, size_t len)
{
	(void)buf_le64(b, len);
	if (len > 0)
		(void)buf_append(b, data, len);
}

/* One name. All fields have a fixed length or are preceded by it, so that no two trees make the same bytes. */
static void digest_node(struct buf *b, const struct node *n, bool first_name)
{
	const struct inode *i = n->inode;
	(void)buf_le32(b, n->depth);
	digest_blob(b, n->name, strlen(n->name));
	(void)buf_le32(b, i->index);
	if (!first_name)
		return;
	(void)buf_le32(b, i->mode);
	(void)buf_le32(b, i->uid);
	(void)buf_le32(b, i->gid);
	(void)buf_le64(b, (uint64_t)i->mtime);
	(void)buf_le32(b, i->mtime_ns);
	(void)buf_le32(b, i->rdev_major);
	(void)buf_le32(b, i->rdev_minor);
	digest_blob(b, i->target, i->target ? strlen(i->target) : 0);
	digest_blob(b, i->content.digest, sizeof i->content.digest);
	(void)buf_le64(b, i->content.len);
	(void)buf_le64(b, i->xattrs_count);
	for (size_t x = 0; x < i->xattrs_count; x++) {
		digest_blob(b, i->xattrs[x].name, strlen(i->xattrs[x].name));
		digest_blob(b, i->xattrs[x].value, i->xattrs[x].len);
	}
}

void tree_digest(const struct tree *t, uint8_t ret_digest[32])
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	uint32_t met = 0; /* inodes get their index where they are met first */
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	for (const struct node *n = t->root; n && ok; n = node_next(n)) {
		bool first = n->inode->index == met;
		if (first)
			met++;
		digest_node(&b, n, first);
		if (b.len >= 65536 || !node_next(n)) {
			ok = buf_error(&b) == 0 && EVP_DigestUpdate(md, b.data, b.len) == 1;
			buf_fini(&b);
		}
	}
	ok = ok && EVP_DigestFinal_ex(md, ret_digest, NULL) == 1;
	if (!ok)
		abort(); /* no memory: mem.h's aborting calls would not have got it either */
}

/* Names of a tree by (folder, name): a table with open addressing. */
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/layer/state.h"

/* FNV-1a, begun with the folder. */
static uint64_t name_hash(const struct node *folder, const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u ^ ((uint64_t)(uintptr_t)folder >> 4) * 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

struct node *slots_find(const struct tree *t, const struct node *folder, const char *name, size_t len)
{
	if (t->slots_count == 0)
		return NULL;
	for (size_t i = name_hash(folder, name, len) & (t->slots_count - 1); t->slots[i]; i = (i + 1) & (t->slots_count - 1)) {
		struct node *n = t->slots[i];
		if (n->parent == folder && strncmp(n->name, name, len) == 0 && n->name[len] == '\0')
			return n;
	}
	return NULL;
}

struct node *tree_child(const struct tree *t, const struct node *folder, const char *name, size_t len)
{
	struct node *n = slots_find(t, folder, name, len);
	return n && n->inode ? n : NULL;
}

static void insert(struct tree *t, struct node *n)
{
	size_t i = name_hash(n->parent, n->name, strlen(n->name)) & (t->slots_count - 1);
	while (t->slots[i])
		i = (i + 1) & (t->slots_count - 1);
	t->slots[i] = n;
}

static void grow(struct tree *t)
{
	struct node **old = t->slots;
	size_t old_count = t->slots_count;
	t->slots_count = old_count ? old_count * 2 : 1024;
	t->slots = mem_array(struct node *, t->slots_count);
	for (size_t i = 0; i < old_count; i++)
		if (old[i])
			insert(t, old[i]);
	free(old);
}

void slots_add(struct tree *t, struct node *n)
{
	if (++t->nodes_count > t->slots_count / 2)
		grow(t);
	insert(t, n);
}

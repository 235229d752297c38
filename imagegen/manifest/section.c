/* Digests of a manifest's sections as they are written, whatever this program knows of their keys: what is made from a section is made anew
 * when anything in it changes, also a key that was added to the vocabulary yesterday. */
#include "imagegen/manifest/section.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/cache/digest.h"

/* Depth first; ynode_parse bounds the depth. */
static void add_node(struct digest *g, const struct ynode *root)
{
	const struct ynode *stack[YNODE_DEPTH_MAX + 1];
	size_t next[YNODE_DEPTH_MAX + 1], depth = 0;
	stack[0] = root;
	next[0] = 0;
	for (;;) {
		const struct ynode *n = stack[depth];
		if (next[depth] == 0) {
			digest_str(g, "key", n->key);
			digest_num(g, n->quoted ? "quoted" : "kind", n->kind);
			digest_str(g, "text", n->text);
			digest_num(g, "items", n->count);
		}
		if (depth < YNODE_DEPTH_MAX && next[depth] < n->count) {
			stack[depth + 1] = &n->items[next[depth]++];
			next[++depth] = 0;
			continue;
		}
		if (depth == 0)
			return;
		depth--;
		/* A folder that was entered is not announced again. */
	}
}

static void add_section(struct manifest *m, const char *above, const struct ynode *n)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp manifest section 1");
	mem_grow((void **)&m->sections, m->sections_count, &m->sections_cap, sizeof(*m->sections));
	struct section *s = &m->sections[m->sections_count++];
	*s = (struct section){ .name = mem_printf("%s%s%s", above ? above : "", above ? "." : "", n->key ? n->key : "") };
	add_node(g, n);
	digest_get(g, s->digest);
}

void sections_find(struct manifest *m, const struct ynode *root)
{
	for (size_t i = 0; root->kind == YNODE_MAP && i < root->count; i++) {
		const struct ynode *n = &root->items[i];
		bool personas = n->kind == YNODE_MAP && n->key && !strcmp(n->key, "personas");
		if (!personas)
			add_section(m, NULL, n);
		for (size_t k = 0; personas && k < n->count; k++)
			add_section(m, n->key, &n->items[k]);
	}
}

void sections_fini(struct manifest *m)
{
	for (size_t i = 0; i < m->sections_count; i++)
		free(m->sections[i].name);
	free(m->sections);
}

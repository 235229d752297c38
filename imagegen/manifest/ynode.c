#include "imagegen/manifest/ynode.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"

struct builder {
	const char *path;
	struct diag *d;
	struct ynode *stack[YNODE_DEPTH_MAX]; /* open lists and mappings; pointers stay valid: only the innermost one grows */
	unsigned depth;
	struct ynode *root;
	char *key; /* a key that waits for its value */
	struct loc key_loc;
	size_t count;
};

static struct loc mark_loc(const char *path, yaml_mark_t mark)
{
	return (struct loc){ .file = path, .line = (uint32_t)mark.line + 1, .col = (uint32_t)mark.column + 1 };
}

/* Frees what a node holds. Recursion is bounded by YNODE_DEPTH_MAX, which the parser enforces. */
static void node_fini(struct ynode *n)
{
	for (size_t i = 0; i < n->count; i++)
		node_fini(&n->items[i]);
	free(n->items);
	free(n->key);
	free(n->text);
}

void ynode_free(struct ynode *root)
{
	if (!root)
		return;
	node_fini(root);
	free(root);
}

const struct ynode *ynode_find(const struct ynode *map, const char *key)
{
	for (size_t i = 0; map->kind == YNODE_MAP && i < map->count; i++) {
		if (strcmp(map->items[i].key, key) == 0)
			return &map->items[i];
	}
	return NULL;
}

bool ynode_empty(const struct ynode *n)
{
	return n->kind == YNODE_SCALAR && !n->quoted && (!n->text[0] || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}

const char *ynode_kind_name(const struct ynode *n)
{
	return n->kind == YNODE_MAP ? "a mapping" : n->kind == YNODE_LIST ? "a list" : ynode_empty(n) ? "no value" : "text";
}

/* The list or mapping being read; NULL outside the root. */
static struct ynode *innermost(const struct builder *b)
{
	return b->depth ? b->stack[b->depth - 1] : NULL;
}

/* The place of a new node: below the innermost open one, or the root. NULL and reported if it may not be there. */
static struct ynode *node_add(struct builder *b, struct loc loc)
{
	if (++b->count > YNODE_COUNT_MAX) {
		diag_fail(b->d, MVP0202, &loc, "more than %d values in one file", YNODE_COUNT_MAX);
		return NULL;
	}
	struct ynode *parent = innermost(b), *n;
	if (!parent) {
		n = b->root = mem_new(struct ynode);
	} else {
		mem_grow(&parent->items, parent->count, &parent->cap, sizeof(*parent->items));
		n = &parent->items[parent->count++];
		*n = (struct ynode){ 0 };
		if (parent->kind == YNODE_MAP) {
			n->key = TAKE(b->key);
			n->key_loc = b->key_loc;
		}
	}
	n->loc = loc;
	if (!n->key)
		n->key_loc = loc;
	return n;
}

/* A duplicate is reported and kept behind the first one, where ynode_find() does not see it. */
static int take_key(struct builder *b, const struct ynode *map, struct loc loc, char *text TAKES)
{
	const struct ynode *first = ynode_find(map, text);
	b->key = text;
	if (map->count == YNODE_KEYS_MAX)
		return diag_fail(b->d, MVP0202, &loc, "more than %d keys in one mapping", YNODE_KEYS_MAX);
	b->key_loc = loc;
	if (!first)
		return 0;
	diag_fail(b->d, MVP0204, &loc, "key '%s' is given twice in the same mapping", text);
	diag_note(b->d, "it was given first in line %u, column %u", first->key_loc.line, first->key_loc.col);
	return 0;
}

/* The mapping that waits for a key; NULL if a value comes next. */
static const struct ynode *wants_key(const struct builder *b)
{
	const struct ynode *n = innermost(b);
	return n && n->kind == YNODE_MAP && !b->key ? n : NULL;
}

static int on_scalar(struct builder *b, const yaml_event_t *e, struct loc loc)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	if (memchr(value, 0, len))
		return diag_fail(b->d, MVP0202, &loc, "text with a NUL character");
	const struct ynode *map = wants_key(b);
	if (map)
		return take_key(b, map, loc, mem_strndup(value, len));
	struct ynode *n = node_add(b, loc);
	if (!n)
		return -1;
	n->kind = YNODE_SCALAR;
	n->text = mem_strndup(value, len);
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int on_open(struct builder *b, enum ynode_kind kind, struct loc loc)
{
	if (wants_key(b))
		return diag_fail(b->d, MVP0202, &loc, "a key that is %s; keys are plain words", kind == YNODE_MAP ? "a mapping" : "a list");
	if (b->depth == YNODE_DEPTH_MAX)
		return diag_fail(b->d, MVP0202, &loc, "nested deeper than %d levels", YNODE_DEPTH_MAX);
	struct ynode *n = node_add(b, loc);
	if (!n)
		return -1;
	n->kind = kind;
	b->stack[b->depth++] = n;
	return 0;
}

/* Anchors and tags are refused wherever they stand: text, lists and mappings alike. */
static int refuse_extras(struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag, struct loc loc)
{
	if (anchor)
		return diag_fail(b->d, MVP0202, &loc, "anchor '&%s': anchors and aliases are not used here", (const char *)anchor);
	if (tag)
		return diag_fail(b->d, MVP0202, &loc, "tag '%s': tags are not used here", (const char *)tag);
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *e)
{
	struct loc loc = mark_loc(b->path, e->start_mark);
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return diag_fail(b->d, MVP0202, &loc, "alias '*%s': anchors and aliases are not used here",
				 (const char *)e->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		if (refuse_extras(b, e->data.scalar.anchor, e->data.scalar.tag, loc) < 0)
			return -1;
		return on_scalar(b, e, loc);
	case YAML_SEQUENCE_START_EVENT:
		if (refuse_extras(b, e->data.sequence_start.anchor, e->data.sequence_start.tag, loc) < 0)
			return -1;
		return on_open(b, YNODE_LIST, loc);
	case YAML_MAPPING_START_EVENT:
		if (refuse_extras(b, e->data.mapping_start.anchor, e->data.mapping_start.tag, loc) < 0)
			return -1;
		return on_open(b, YNODE_MAP, loc);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (b->root)
			return diag_fail(b->d, MVP0202, &loc, "a second document in the file; one is expected");
		return 0;
	default:
		return 0;
	}
}

static int syntax_error(const struct builder *b, const yaml_parser_t *p)
{
	if (p->error == YAML_MEMORY_ERROR)
		return diag_fail(b->d, MVP0001, NULL, "out of memory while reading '%s'", b->path);
	if (p->error == YAML_READER_ERROR) {
		struct loc loc = LOC_AT(b->path, p->problem_offset);
		return diag_fail(b->d, MVP0201, &loc, "not text that YAML allows: %s", p->problem);
	}
	struct loc loc = mark_loc(b->path, p->problem_mark);
	diag_fail(b->d, MVP0201, &loc, "not valid YAML: %s", p->problem ? p->problem : "unknown error");
	if (p->problem && strstr(p->problem, "cannot start any token"))
		diag_hint(b->d, "indent with spaces, not tabs, and put values that start with @, %% or ` in quotes");
	if (p->context)
		diag_note(b->d, "%s that starts in line %zu, column %zu", p->context, p->context_mark.line + 1, p->context_mark.column + 1);
	return -1;
}

static int read_events(struct builder *b, yaml_parser_t *p)
{
	for (;;) {
		yaml_event_t e;
		if (!yaml_parser_parse(p, &e))
			return syntax_error(b, p);
		bool end = e.type == YAML_STREAM_END_EVENT;
		int r = on_event(b, &e);
		yaml_event_delete(&e);
		if (r < 0 || end)
			return r;
	}
}

int ynode_parse(const char *path, const uint8_t *data, size_t len, struct ynode **ret_root, struct diag *d)
{
	struct loc file = { .file = path, .line = 1, .col = 1 };
	if (len > YNODE_LEN_MAX)
		return diag_fail(d, MVP0202, &file, "the file is longer than %zu bytes", YNODE_LEN_MAX);
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return diag_fail(d, MVP0001, NULL, "out of memory while reading '%s'", path);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, data, len);
	struct builder b = { .path = path, .d = d };
	size_t errors = diag_errors(d);
	int r = read_events(&b, &parser);
	yaml_parser_delete(&parser);
	free(b.key);
	struct ynode *root CLEANUP(ynode_freep) = b.root;
	if (r < 0)
		return -1;
	if (!root)
		return diag_fail(d, MVP0201, &file, "the file is empty");
	*ret_root = TAKE(root);
	return diag_errors(d) > errors;
}

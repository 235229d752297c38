/* YAML as a tree of nodes that know where they were written. The subset that configuration needs: one document of mappings, lists and
 * scalars; no anchors, aliases or tags, bounded in size, depth and number of nodes. Duplicate keys are refused. */
#ifndef IMAGEGEN_YNODE_H
#define IMAGEGEN_YNODE_H

#include "imagegen/base/base.h"
#include "imagegen/base/diag.h"

#define YNODE_LEN_MAX ((size_t)1 << 20) /* bytes of a document */
#define YNODE_DEPTH_MAX 16
#define YNODE_COUNT_MAX 65536
#define YNODE_KEYS_MAX 512 /* of one mapping */

enum ynode_kind { YNODE_SCALAR, YNODE_LIST, YNODE_MAP };

struct ynode {
	enum ynode_kind kind;
	struct loc loc;      /* of its first character */
	struct loc key_loc;  /* of the key it is the value of; its own outside a mapping */
	char *key;           /* in a mapping; else NULL */
	char *text;          /* scalar; never holds a NUL byte */
	bool quoted;         /* scalar in quotes or a block: an empty one is a value, not an absent one */
	struct ynode *items; /* list and mapping, in order */
	size_t count, cap;
};

/* path names the file in diagnostics and is borrowed by all locs: it must outlive the tree. Returns 0; -1 without a tree; or 1 with a tree
 * after keys given twice were reported: the caller looks for more mistakes, then fails. */
MUST_USE int ynode_parse(const char *path, const uint8_t *data, size_t len, struct ynode **ret_root, struct diag *d);
void ynode_free(struct ynode *root);
DEFINE_FREEP(struct ynode, ynode_free)

const struct ynode *ynode_find(const struct ynode *map, const char *key); /* the first one of that name; NULL if absent */
const char *ynode_kind_name(const struct ynode *n);                       /* "a mapping", "a list", "no value", "text" */
bool ynode_empty(const struct ynode *n);                                  /* a scalar without a value: nothing, ~ or null */

#endif

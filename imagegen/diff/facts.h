/* What an image or a bundle is, as a list of facts that can be compared with another's: of each thing in it where it is ("personal/system",
 * "personal/system:/etc/passwd") and its attributes. */
#ifndef IMAGEGEN_FACTS_H
#define IMAGEGEN_FACTS_H

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"

struct fact {
	char *where;
	char *attributes; /* "name=value" texts, each ended by a NUL */
	size_t len;
};
struct facts {
	struct fact *v;
	size_t count, cap;
};
void facts_fini(struct facts *f);
/* Copies where; takes what b holds. */
void facts_add(struct facts *f, const char *where, struct buf *b);

/* One attribute for facts_add. */
void facts_put(struct buf *b, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* All facts of the file at path, sorted: partitions, files in file systems with modes and digests, keys, members of archives, in any depth
 * up to a bound. Members are unpacked into files without a name in tmp_dir, one at a time. */
MUST_USE int facts_gather(const char *path, const char *tmp_dir, struct facts *ret, struct diag *d);

/* Calls fn for every thing that differs, in the order of where: was NULL if only b has it, is NULL if only a has it. Returns how many. */
size_t facts_compare(const struct facts *a, const struct facts *b, void (*fn)(void *ctx, const struct fact *was, const struct fact *is),
		     void *ctx);
/* The value of an attribute, borrowed; NULL if it has none of that name. name_len: of the name. */
const char *fact_value(const struct fact *f, const char *name, size_t name_len);
/* The attribute at *at (0 first), which is moved behind it; NULL at the end. */
const char *fact_next(const struct fact *f, size_t *at);

#endif

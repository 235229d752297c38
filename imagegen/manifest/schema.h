/* Tables of manifest keys and the reader they drive: types, ranges, choices, unknown and missing keys. One table per mapping; what the
 * tables say is also what the JSON Schema and the manual are tested against. */
#ifndef IMAGEGEN_SCHEMA_H
#define IMAGEGEN_SCHEMA_H

#include "imagegen/base/buf.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/manifest/ynode.h"

enum key_kind {
	KEY_TEXT,     /* struct mstr: one line of text; may be empty if empty_ok */
	KEY_BLOCK,    /* struct mstr: text of any form */
	KEY_NAME,     /* struct mstr: a letter or digit, then letters, digits, '.', '_', '-' (it becomes part of file names); at most max
			 characters */
	KEY_CHOICE,   /* struct mstr: one of choices */
	KEY_PATH,     /* struct mstr: a file of the host */
	KEY_SIZE,     /* struct mnum: bytes, a multiple of unit; `auto` is 0 if auto_ok */
	KEY_PERCENT,  /* struct mnum */
	KEY_COUNT,    /* struct mnum */
	KEY_DURATION, /* struct mnum: seconds */
	KEY_RATE,     /* struct mnum: bits per second */
	KEY_COLOR,    /* struct mnum: 0xRRGGBB */
	KEY_BOOL,     /* struct mnum: 1 for true, 0 for false */
	KEY_MAP,      /* keys of the same object in a mapping of their own */
	KEY_STRINGS,  /* struct mstrs: one text or a list of texts, none twice, each one of choices if there are any */
	KEY_CUSTOM,   /* read() does it */
};

struct reader {
	struct manifest *m;
	struct diag *d;
	const char *path;
	struct buf where; /* dotted name of the mapping being read, for messages; "" at the top */
};

struct keys;
struct key {
	const char *name;
	enum key_kind kind;
	bool required, empty_ok, auto_ok;
	size_t at;                  /* offset in the object */
	uint64_t min, max, unit;    /* numbers; unit 0: any */
	const char *const *choices; /* ends with NULL */
	const struct keys *map;     /* KEY_MAP; KEY_CUSTOM: what the schema test descends into, or NULL */
	size_t loc_at;              /* KEY_MAP: offset of a struct loc that gets its place; 0: none */
	size_t on_at;               /* KEY_MAP: offset of a bool that says whether it was given; 0: none */
	void (*read)(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
	const char *def_text; /* defaults */
	uint64_t def_num;
	const char *later;        /* nothing acts on it yet: why, for the warning */
	const char *later_unless; /* ... except on this value */
};

struct keys {
	const struct key *v;
	size_t count;
};
#define KEYS(array) \
	{ \
		.v = (array), .count = ARRAY_LEN(array) \
	}

/* Reads a mapping into obj. Every mistake is reported and leaves its member as if it were absent (s NULL, given false). */
void schema_read(struct reader *r, const struct keys *keys, const struct ynode *map, void *obj);
/* Sets the defaults of an absent mapping; loc is that of what it is absent from. */
void schema_defaults(const struct keys *keys, const struct loc *loc, void *obj);

/* Pieces for read() functions. where is extended by name while a nested thing is read. */
size_t schema_enter(struct reader *r, const char *name);
void schema_leave(struct reader *r, size_t mark);
bool schema_want(struct reader *r, const struct ynode *n, enum ynode_kind kind, const char *what); /* false and reported otherwise */
void schema_strings(struct reader *r, const struct key *k, const struct ynode *n, struct mstrs *ret);

/* A text of a form of its own: NULL and reported if it is not one line of text. */
const char *schema_plain_text(struct reader *r, const struct ynode *n, const char *what);
void schema_set(struct mstr *s, const char *text, struct loc loc, bool given);
void mstrs_fini(struct mstrs *s);

/* The tables themselves, from the top. */
const struct keys *manifest_keys(void);

#endif

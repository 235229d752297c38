/* Diagnostics: each failure is reported exactly once, by the function that knows the reason. */
#ifndef IMAGEGEN_DIAG_H
#define IMAGEGEN_DIAG_H

#include <stdatomic.h>

#include "imagegen/base/base.h"

/* Exit status of mvpctl; the first error reported decides it. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_INTERNAL = 1,
	EXIT_USAGE = 2,
	EXIT_MANIFEST = 3,
	EXIT_INPUT = 4,
	EXIT_NO_FIT = 5,
	EXIT_VERIFY = 6,
	EXIT_KEY = 7,
	EXIT_TOOL = 8,
	EXIT_OUTPUT = 9,
	EXIT_NOT_REPRODUCIBLE = 10,
	EXIT_INTERRUPTED = 130,
};

/* 1##n - 10000: a leading zero would make the number octal. */
enum diag_code {
#define DIAG(n, exit_class, title, explanation) MVP##n = 1##n - 10000,
#include "imagegen/base/diag_codes.def"
#undef DIAG
};

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

/* A place in an input. Text: line and col, 1-based. Binary: line 0 and a byte offset. file is borrowed; diag copies it. */
struct loc {
	const char *file;
	uint32_t line, col;
	uint64_t offset;
	bool has_offset;
};
#define LOC_NONE ((struct loc){ 0 })
#define LOC_FILE(path) ((struct loc){ .file = (path) })
#define LOC_AT(path, off) ((struct loc){ .file = (path), .offset = (off), .has_offset = true })

struct diag_item {
	enum diag_code code;
	enum diag_severity severity;
	struct loc loc; /* file owned by the diag */
	char *message;
	char *hint;   /* how to mend it, or NULL */
	char **notes; /* context added while unwinding */
	size_t notes_count;
};

struct diag *diag_new(void); /* never NULL; not thread-safe: each worker has its own, merged in job order */
void diag_free(struct diag *d);
DEFINE_FREEP(struct diag, diag_free)

/* Both report one item; loc may be NULL. Text: what is wrong, what was expected; values in 'single quotes'; no secrets.
 * diag_fail returns -1, so that `return diag_fail(...)` is one statement. */
int diag_fail(struct diag *d, enum diag_code code, const struct loc *loc, const char *fmt, ...) PRINTF_LIKE(4, 5);
void diag_warn(struct diag *d, enum diag_code code, const struct loc *loc, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Both add to the item reported last. */
void diag_hint(struct diag *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
void diag_note(struct diag *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Hint "did you mean 'x'?" when a candidate is near word; nothing otherwise. */
void diag_hint_nearest(struct diag *d, const char *word, const char *const *candidates, size_t candidates_count);

/* Long work asks whether it is still wanted: true, and MVP0006 reported, once the flag that its diag was given is set. The flag is borrowed
 * and must outlive d; a diag without one never stops anybody. */
void diag_watch(struct diag *d, const atomic_bool *stop);
MUST_USE bool diag_stopped(struct diag *d);

size_t diag_count(const struct diag *d);
const struct diag_item *diag_get(const struct diag *d, size_t i);
size_t diag_errors(const struct diag *d);
enum exit_status diag_exit_status(const struct diag *d);  /* of the first error; EXIT_OK without one */
void diag_merge(struct diag *d, struct diag *from TAKES); /* appends from's items */

/* What the code list says of a code; NULL for a number that is no code. */
struct diag_info {
	enum diag_code code;
	enum exit_status exit;
	const char *title;
	const char *explanation;
};
const struct diag_info *diag_info_find(unsigned code);
const struct diag_info *diag_info_all(size_t *ret_count);

#endif

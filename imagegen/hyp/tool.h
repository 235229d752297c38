/* External programs: started without a shell, their output caught. */
#ifndef IMAGEGEN_TOOL_H
#define IMAGEGEN_TOOL_H

#include "imagegen/base/buf.h"

/* Runs argv (NULL-terminated; argv[0] is looked up in PATH) to its end; stdout and stderr go to ret_output (initialised by the caller),
 * stdin is /dev/null; variables that steer compilers are left out. Returns the exit status, 128 + n when signal n ended it, or -errno when
 * it could not be started. Safe from any thread. */
MUST_USE int tool_run(const char *const *argv, struct buf *ret_output);

/* The program that PATH leads to, malloc'd; NULL if there is none. */
char *tool_find(const char *name);

/* A list of arguments that grows. */
struct args {
	char **v; /* NULL-terminated */
	size_t count, cap;
};
void args_add(struct args *a, const char *s);
void args_addf(struct args *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void args_fini(struct args *a);

/* Adds the first lines of a program's output as notes to the item reported last. */
void tool_notes(struct diag *d, const struct buf *output);

#endif

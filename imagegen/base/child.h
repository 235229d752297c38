/* Programs that we start, without a shell. */
#ifndef IMAGEGEN_CHILD_H
#define IMAGEGEN_CHILD_H

#include "imagegen/base/base.h"

struct child {
	const char *const *argv;                 /* NULL-terminated; argv[0] is looked up in PATH */
	int in, out, err;                        /* descriptors, closed on exec; -1: /dev/null for in, ours for out and err */
	bool (*leave_out)(const char *variable); /* of our environment's NAME=VALUE; NULL: all are passed on */
};

/* Runs the program to its end. Returns 0 and what waitpid() gives, or -errno when it could not be started. Safe from any thread. */
MUST_USE int child_run(const struct child *c, int *ret_status);

/* This variable holds a secret: no program that is started from now on gets it. Safe from any thread. */
void child_hide(const char *name);

#endif

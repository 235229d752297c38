/* For a packer that takes much longer than the others: it works in a thread of its own, and what it has not come to yet waits in a file
 * without a name. So the pass goes on at the pace of the others until that file is full. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_BACKLOG_H
#define IMAGEGEN_BACKLOG_H

#include "imagegen/base/base.h"

struct backlog;

/* A piece, as a packer's write() gets it, but of 1 MiB of data at most. Called from the backlog's thread, in the order of backlog_put(). */
typedef int (*backlog_fn)(void *ctx, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);

/* The file is in dir and holds at most room bytes: at least 2 MiB. */
MUST_USE int backlog_new(const char *dir, uint64_t room, backlog_fn take, void *ctx, struct backlog **ret_s, struct diag *d);
/* Waits only when there is no room. -1 also for what take() failed with, which is reported once. */
MUST_USE int backlog_put(struct backlog *s, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);
/* Waits until all has been taken; the thread has ended then, and what take() works on is the caller's. */
MUST_USE int backlog_end(struct backlog *s, struct diag *d);
void backlog_free(struct backlog *s); /* what is left is not taken any more; NULL is fine */
DEFINE_FREEP(struct backlog, backlog_free)

#endif

/* QEMU's machine protocol, as far as pictures of the screen need it: one command at a time, and whether the guest switched itself off. */
#ifndef CLI_QMP_H
#define CLI_QMP_H

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"

struct qmp {
	int fd; /* -1: not connected, or QEMU is gone */
	struct buf in;
	bool off; /* the guest is, and QEMU waits */
};

#define QMP_INIT ((struct qmp){ .fd = -1, .in = BUF_MAX((size_t)1 << 20) })

/* Greeting and capabilities on a connected socket, which q owns from here. False: QEMU does not answer as it should. */
MUST_USE bool qmp_begin(struct qmp *q, int fd TAKES);
void qmp_fini(struct qmp *q);

/* Takes what has come, without waiting. */
void qmp_poll(struct qmp *q);
/* screendump of the first display into a file, as PNG. False with the reason (malloc'd) in *ret_why. */
MUST_USE bool qmp_screendump(struct qmp *q, const char *path, char **ret_why);

#endif

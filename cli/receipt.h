/* The receipt of the order that a running handset was brought, caught from what its console prints. */
#ifndef CLI_RECEIPT_H
#define CLI_RECEIPT_H

#include <sys/types.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/tmpfile.h"

#define RECEIPT_LINE_MAX 4096 /* bytes of a line of the console; a receipt's is shorter */

struct receipt_catch {
	const char *path; /* where it is wanted; NULL: nowhere */
	uint8_t order[32];
	struct tmpfile *file;
	int log_fd; /* memory that QEMU writes the console's output into, too */
	off_t at;
	char line[RECEIPT_LINE_MAX + 1]; /* that has not ended */
	size_t line_len;                 /* may be more, of a longer one */
	bool caught;
};

#define RECEIPT_CATCH_INIT ((struct receipt_catch){ .log_fd = -1 })

/* path: NULL if it is not wanted. Whether the order is one, and the file can be written, is noticed here. */
MUST_USE int receipt_catch_init(struct receipt_catch *r, const char *path, const char *order, struct diag *d);
void receipt_catch_fini(struct receipt_catch *r);

/* Now and then while the handset runs, and after its end: the file is there as soon as the receipt is. */
MUST_USE int receipt_catch_tick(struct receipt_catch *r, struct diag *d);
/* The end: MVP0907 if it has not come. */
MUST_USE int receipt_catch_end(struct receipt_catch *r, struct diag *d);

#endif

/* The lease of the managed persona, and its bar: until when it may be used, and whether it may now. CPU 0 only. */
#ifndef VAULT_LEASE_H
#define VAULT_LEASE_H

#include "lib.h"

enum lease {
	LEASE_FINE,
	LEASE_LOCKED, /* lock-after has passed */
	LEASE_OVER,   /* wipe-after has passed */
};

void lease_start(void); /* the state is open, the clock runs: begins the lease at the first start */
enum lease lease_get(void);
bool lease_bars(void); /* the managed persona may not be opened: an order, or the lease */
/* Does what is due: bars, wipes; says when it will be. After each event; costs nothing when nothing is due. */
void lease_poll(void);
void lease_changed(void); /* an order has changed something: look at once */

/* Seconds until the managed persona is locked or wiped for want of an order; UINT64_MAX: never, 0: it is. Any CPU; as of the last look. */
uint64_t lease_left(void);

/* For people: why it is barred, or how long the lease lasts; "" if there is nothing to say. */
void lease_describe(char *text, size_t size);

#endif

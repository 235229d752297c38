/* The wipe of the managed persona: its keys, its memory, its data, in this order, and on after a power cut at any point. CPU 0 only. */
#ifndef VAULT_WIPE_H
#define VAULT_WIPE_H

#include "mvp/order.h"
#include "state.h"

/* Decides it and begins, unless one is under way or done. Not for orders: orders.c commits the order and the decision in one, then has
 * wipe_run(). */
void wipe_start(enum mvp_cause cause);
/* The state says that there is a wipe: begins it, or goes on with it. ticket: of the commit that decided it. */
void wipe_run(uint32_t ticket);

bool wipe_keys_are_gone(void); /* or there is no wipe */
unsigned wipe_percent(void);   /* of the data */

/* Brings it on, as job_step(). */
bool wipe_step(bool work);
bool wipe_has_work(void);

#endif

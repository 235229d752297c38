/* Alerts, and the clipboard, from one persona to the other: what the agents say over their ports org.mvp.notify (mvp/notify.h). The policy
 * is applied when an item arrives, so that what is withheld is never where the other side's data is. What was taken waits, while the other
 * persona is away, and comes out once and in order. */
#ifndef VAULT_NOTIFY_H
#define VAULT_NOTIFY_H

#include "lib.h"

/* The port of a persona: one at a time for each persona, any CPU, under the port's lock. */
void notify_open(unsigned persona, bool open); /* an agent began or ended: it has to say HELLO */
size_t notify_take(unsigned persona, const uint8_t *data,
		   size_t len); /* from the agent; how many bytes were taken: fewer while it does not read */
size_t notify_give(unsigned persona, uint8_t *ret, size_t size); /* for the agent: the next bytes, 0 if there are none now */

/* Supplied by the port: there is something to give. CPU 0; no lock is held. */
void notify_wake(unsigned persona);

unsigned notify_alerts(unsigned persona); /* its alerts that nobody dismissed, as the other side knows them. Any CPU */
void notify_poll(void);                   /* CPU 0, after each event */
/* Nothing is left of what the persona sent or was to get, nor of its numbers (it is wiped). CPU 0, while it does not run. */
void notify_forget(unsigned persona);

#endif

/* One deadline per CPU, over MVP_HC_TIMER. */
#ifndef VAULT_TIMER_H
#define VAULT_TIMER_H

#include "lib.h"

/* MVP_EV_TIMER comes to the calling CPU at counter value `when` or before. */
void timer_at(uint64_t when);
void timer_fired(void); /* at MVP_EV_TIMER, before anything else */

#endif

/* Which persona is in front, and everything that goes with it: what the display shows, who gets the input, the scheduler's weights, the
 * console. CPU 0 only. */
#ifndef VAULT_UI_FRONT_H
#define VAULT_UI_FRONT_H

#include "../lib.h"

void front_start(void); /* persona 0 */
unsigned front_persona(void);
/* In one step. False, and all as it was, if the display refuses. */
bool front_switch(unsigned persona);
void front_update(void);       /* the state of a persona changed */
void front_tick(void);         /* at MVP_EV_TIMER: clocks that are shown */
void front_due(uint64_t when); /* one of them changes at this counter value */

#ifdef MVP_MEASURE
void front_measure(uint64_t since); /* counter value of the interrupt that is handled now, or 0; a switch says how long ago it was */
#endif

#endif

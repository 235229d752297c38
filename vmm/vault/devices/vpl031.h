/* A persona's clock: the model of an Arm PL031 (DDI 0224). It shows the board's time, which the persona cannot set, and has an alarm. */
#ifndef VAULT_VPL031_H
#define VAULT_VPL031_H

#include "../lib.h"

void vpl031_reset(unsigned persona);
void vpl031_tick(void); /* at MVP_EV_TIMER on any CPU */

uint64_t vpl031_read(unsigned persona, uint32_t at, unsigned width);
void vpl031_write(unsigned persona, uint32_t at, unsigned width, uint64_t value);

#endif

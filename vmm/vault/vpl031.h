/* A persona's clock: the model of an Arm PL031 (DDI 0224). It shows the board's time and cannot set it; the match register is stored but
 * raises no interrupt. */
#ifndef VAULT_VPL031_H
#define VAULT_VPL031_H

#include "lib.h"

uint64_t vpl031_read(unsigned persona, uint32_t at, unsigned width);
void vpl031_write(unsigned persona, uint32_t at, unsigned width, uint64_t value);

#endif

/* The board's clock, an Arm PrimeCell PL031 (DDI 0224): seconds since 1970. */
#ifndef VAULT_DRIVERS_PL031_H
#define VAULT_DRIVERS_PL031_H

#include "../lib.h"

uint32_t pl031_seconds(void);

#endif

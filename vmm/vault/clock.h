/* The device's clock: seconds since 1970 that never go back, not even when the board's clock does. CPU 0 only. */
#ifndef VAULT_CLOCK_H
#define VAULT_CLOCK_H

#include "lib.h"

void clock_start(uint64_t at_least); /* the board's clock counts from there on */
uint64_t clock_now(void);

#endif

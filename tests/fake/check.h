/* What must hold of the core whenever a guest runs or a CPU idles, whatever guests did. A violation ends in fake_fail(). */
#ifndef FAKE_CHECK_H
#define FAKE_CHECK_H

#include "machine.h"

/* The present state is good: from here on guests' registers are followed. */
void check_begin(void);
/* The guest of cpu has run and traps now: what is in its registers is its own doing. */
void check_before(uint32_t cpu);
/* The core is done with that trap on cpu. esr: of a synchronous exception. */
void check_after(uint32_t cpu, uint32_t kind, uint64_t esr);
/* check_before, the trap, check_after. */
void check_sync(uint32_t cpu, uint64_t esr, uint64_t far, uint64_t hpfar);
void check_trap(uint32_t cpu, uint32_t kind);
extern uint64_t check_longest; /* register accesses of the longest entry so far */

#endif

/* The trusted bar above each screen: whose screen it is, how it is with the others, the time. A persona can neither draw nor read there,
 * and each screen has its own, so that no switch finds the wrong one. CPU 0 only. */
#ifndef VAULT_UI_BAR_H
#define VAULT_UI_BAR_H

#include "../lib.h"

void bar_update(void); /* redraws those whose contents have changed */

#endif

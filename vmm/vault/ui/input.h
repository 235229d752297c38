/* Who gets what the user types and touches: the persona in front, or the vault. The keys of the switch chord and touches of the trusted
 * bar are the vault's always. CPU 0 only. */
#ifndef VAULT_UI_INPUT_H
#define VAULT_UI_INPUT_H

#include "../lib.h"

#define INPUT_VAULT (-1)

void input_start(void);
bool input_irq(uint32_t intid); /* false if the interrupt is not an input device's */
void input_tick(uint64_t now);  /* goes on with devices that had to wait */

/* A persona, or INPUT_VAULT: then characters go to lock_char(). At first it is the vault. The old one gets releases for all it knows to be
 * held, and what is held now belongs to nobody until it is released. */
void input_focus(int who);

#endif

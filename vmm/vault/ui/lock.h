/* The vault's own screen: shown while the persona in front does not run. It asks for the passcode, or says why there is nothing to see.
 * CPU 0 only. */
#ifndef VAULT_UI_LOCK_H
#define VAULT_UI_LOCK_H

#include "../lib.h"

void lock_start(void);
/* Makes the screen right for this persona as it is now. Draws only what has changed since, so that a screen made ready in time costs next
 * to nothing at a switch. */
void lock_prepare(unsigned persona);
void lock_char(uint8_t c); /* the user typed this for the vault: ASCII, '\r', '\b', '\t' for another passcode, or
			    * 0x15, which takes back all */
void lock_forget(void);    /* wipes what was typed */

#endif

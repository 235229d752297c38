/* The screens: one of each persona, whose frame it draws itself, and the vault's own. Above each frame is its trusted bar, which only the
 * vault can reach. The display shows one of them. Without a display nothing of this does anything. CPU 0 only. */
#ifndef VAULT_UI_SCREEN_H
#define VAULT_UI_SCREEN_H

#include "draw.h"

#define SCREEN_VAULT (mvp_vault_config.personas) /* index of the vault's own; the others are personas */

void screen_start(void);
bool screen_is_on(void); /* there is a display and it works */

/* Points the display at a screen; false, and as before, if it refuses. One write of the device's, or none if it is shown already. */
bool screen_show(unsigned screen);

struct canvas screen_bar(unsigned screen);
struct canvas screen_frame(void); /* of the vault's own */

/* Zeroes a bounded piece of a stopped persona's frame from offset `at`. Returns the next offset, or UINT64_MAX when all is done. */
uint64_t screen_scrub(unsigned persona, uint64_t at);

#endif

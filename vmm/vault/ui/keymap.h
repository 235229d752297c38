/* What a key types while the vault has the keyboard: the US layout. */
#ifndef VAULT_UI_KEYMAP_H
#define VAULT_UI_KEYMAP_H

#include "../lib.h"

/* The character of an evdev code, '\r' and '\b' among them; 0 if it has none. */
uint8_t keymap_char(unsigned code, bool shift, bool capitals);

#endif

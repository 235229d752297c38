/* The handset's own slots: the bootloader counts a try of the slot that it starts, and takes the other one when there are none left. When a
 * persona runs, the slot is good. */
#ifndef VAULT_SLOTS_H
#define VAULT_SLOTS_H

#include "disk.h"
#include "mvp/slots.h"

/* Where the record is; a view without sectors: the handset has no slots. */
void slots_open(const struct view *misc);
void slots_good(void); /* the slot that was started does what it should */
/* Brings the writing on; false if there is nothing to be done or the disk is not done yet. */
bool slots_poll(void);

/* Marks the slot that was started as successful. False if the record is not sound, or says so already. */
bool slots_mark(struct mvp_slots *s);

#endif

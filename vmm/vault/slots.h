/* Slots: the handset's own, which its bootloader chooses from, and those of the personas' disks, which the vault does. Their records
 * (mvp/slots.h) are in a partition `misc` of the flash, and of each persona's disk that has slots. A start that is not known to go well
 * costs the slot a try; when it has none left, the other one is started. A slot is good when the persona says that it is up, or has run
 * for the configured time. */
#ifndef VAULT_SLOTS_H
#define VAULT_SLOTS_H

#include "disk.h"
#include "mvp/slots.h"

#define SLOTS 2u
#define SLOTS_BLOCK 4096u /* what is read and written at once, from the partition's start on: the record does not cross one */

/* Where the record is; a view without sectors: the handset has no slots. */
void slots_open(const struct view *misc);
/* The same of a persona, as bytes into its disk; 0: it has none. */
void slots_open_persona(unsigned persona, uint64_t at);
/* The slot of the persona that was started does what it should, and so does the handset's. */
void slots_good(unsigned persona);
/* Brings the writing on; false if there is nothing to be done or the disk is not done yet. */
bool slots_poll(void);
/* The persona's record is being written. Not begun again after slots_open_persona(persona, 0). */
bool slots_busy(unsigned persona);

/* Marks the slot that was started as successful. False if the record is not sound, or says so already. */
bool slots_mark(struct mvp_slots *s);
/* The slot to be started, which costs it a try if it has not been successful. Those in the bit map `refused` do not hold what they should:
 * they are not started again while there is another one. A record that is not sound begins anew, and so does one in which nothing can be
 * started: the persona would be lost. SLOTS: all are refused. */
unsigned slots_choose(struct mvp_slots *s, unsigned refused);

#endif

/* The handset: its disk, its personas and what becomes of them. All of it runs on CPU 0 but handset_persona_stopped() and
 * handset_persona_up(). */
#ifndef VAULT_HANDSET_H
#define VAULT_HANDSET_H

#include "devices/ring.h"
#include "disk.h"
#include "mvp/order.h"

void handset_start(unsigned cpus);

/* Goes on with whatever can go on. work: this is MVP_EV_WORK, so a step of computation may be done. */
void handset_poll(bool work);
bool handset_has_work(void);
bool handset_irq(uint32_t intid); /* false if the interrupt is not one of its devices */

/* A persona stopped by itself (MVP_PERSONA_*). Any CPU. */
void handset_persona_stopped(unsigned persona, uint64_t how);

/* The persona says that it has come up. Any CPU. */
void handset_persona_up(unsigned persona);

/* The user's wishes */
void handset_switch(void);
void handset_status(void);
void handset_disk_status(void);
void handset_power_off(void);
void handset_reset(void);
#ifdef MVP_MEASURE
void handset_say_computed(void);
#endif
void handset_unlock(unsigned persona, const uint8_t *passcode, size_t len);
/* The same, and the next one from now on. */
void handset_change_passcode(unsigned persona, const uint8_t *passcode, size_t len, const uint8_t *next, size_t next_len);
void handset_unlock_any(const uint8_t *passcode, size_t len); /* the persona that is locked */

/* The managed persona: the one that orders and the lease are about. CPU 0 */
unsigned handset_managed(void);                  /* its index; the number of personas if there is none */
enum mvp_work_state handset_work_state(void);    /* for attestations */
void handset_bar(unsigned persona, bool barred); /* it is not to be open; or may be again */
void handset_forgive(void);                      /* wrong passcodes; the caller commits */
void handset_wiping(unsigned persona);
void handset_halt(unsigned persona); /* halt.c ends it; persona.halted says when it is done */
void handset_wiped(unsigned persona);

#endif

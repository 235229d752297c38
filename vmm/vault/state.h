/* What the vault must not forget: the journal of mvp/state.h. CPU 0 only.
 *
 * Change it by state_edit(), then state_commit(); a job waits, in a state that waits for nothing, until state_settled() has an answer:
 *     state_edit()->persona[p].failures++;
 *     j->ticket = state_commit();
 *     return JOB_MINE;
 *     ...
 *     enum job_state mine(struct job *j)
 *     {
 *             if (state_settled(j->ticket) == STATE_PENDING)
 *                     return JOB_MINE;
 * What was changed before one commit becomes durable as a whole or not at all. */
#ifndef VAULT_STATE_H
#define VAULT_STATE_H

#include "disk.h"
#include "mvp/state.h"

enum state_done {
	STATE_PENDING,
	STATE_DONE,
	STATE_FAILED, /* the disk refuses; the next commit tries again, and takes this one's changes with it */
};

const struct mvp_state *state_get(void);
struct mvp_state *state_edit(void);
uint32_t state_commit(void); /* a ticket */
enum state_done state_settled(uint32_t ticket);

/* The handset's part. */

enum state_found {
	STATE_SOUND,
	STATE_EMPTY, /* never written */
	STATE_WRONG, /* something is there that this device did not write */
};

/* A copy as it was read, or NULL if it could not be. Each copy once, in order. */
void state_take(unsigned copy, const uint8_t *record);
/* After the last copy. */
enum state_found state_found(void);
/* Where to write from now on; NULL: nowhere, what is committed lasts until the power goes. fresh: forget what was found. */
void state_open(const struct view *v, bool fresh);
/* Brings the writing on; false if there is nothing to be done or the disk is not done yet. */
bool state_poll(void);
bool state_is_idle(void); /* all that was committed is settled */

#endif

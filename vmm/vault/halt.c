/* Ends a persona against its will, and forgets it: it is stopped, its volume key dropped, its memory and its frame scrubbed.
 *
 * It is stopped first, which takes as long as it takes its CPUs to look up: with the key gone before, what it still writes would be
 * encrypted with another one, or with none. */
#include "console.h"
#include "devices/devices.h"
#include "job.h"
#include "net.h"
#include "slots.h"
#include "ui/screen.h"

void halt_start(struct job *j)
{
	personas[j->persona].halted = false;
	j->state = JOB_HALT; /* once the job's own request is done, if there is one */
}

enum job_state halt(struct job *j)
{
	wipe(&j->unlock, sizeof(j->unlock));
	wipe(j->buf, sizeof(j->buf));
	rekey_forget(j);
	return JOB_HALT_STOP;
}

/* This and the next by shares of time: nothing tells CPU 0 when the persona's CPUs are off, and its last request may end on another one. */
enum job_state halt_stop(struct job *j)
{
	if (hc(MVP_HC_PERSONA_STOP, j->persona, 0, 0) == MVP_E_BUSY)
		return JOB_HALT_STOP;
	devices_unplug(j->persona);
	slots_open_persona(j->persona, 0);
	return JOB_HALT_DRAIN;
}

enum job_state halt_drain(struct job *j)
{
	if (devices_busy(j->persona) || slots_busy(j->persona))
		return JOB_HALT_DRAIN;
	wipe(&personas[j->persona].crypt.key, sizeof(personas[j->persona].crypt.key));
	console_forget(j->persona);
	net_forget(j->persona);
	j->load.done = 0;
	j->load.frame_done = 0;
	return JOB_HALT_SCRUB;
}

enum job_state halt_scrub(struct job *j)
{
	switch (load_scrub_piece(j)) {
	case SCRUB_MORE:
		return JOB_HALT_SCRUB;
	case SCRUB_FAILED:
		console_log("%s: its memory cannot be scrubbed", personas[j->persona].config->name);
		break;
	case SCRUB_DONE:
		break;
	}
	personas[j->persona].halted = true;
	handset_halted(j->persona);
	return JOB_IDLE;
}

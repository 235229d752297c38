/* The device's own partitions, read before anything of a persona is: who it is, and what it must not forget. A wipe that was begun goes on
 * here, and no persona is looked at before its keys are gone. */
#include "clock.h"
#include "console.h"
#include "handset.h"
#include "identity.h"
#include "job.h"
#include "lease.h"
#include "state.h"
#include "wipe.h"

static struct {
	struct view keys, state;
	unsigned copy; /* of what is being read */
} own;

static enum job_state settle(struct job *j);

static enum job_state read_state(struct job *j)
{
	if (own.copy == MVP_STATE_COPIES || !own.state.sectors)
		return settle(j);
	job_read(j, &own.state, MVP_STATE_AT(own.copy), j->buf, sizeof(struct mvp_state));
	return JOB_OWN_STATE;
}

static enum job_state read_identity(struct job *j)
{
	if (own.copy == MVP_IDENTITY_COPIES || !own.keys.sectors) {
		own.copy = 0;
		return read_state(j);
	}
	job_read(j, &own.keys, MVP_IDENTITY_AT(own.copy), j->buf, SECTOR);
	return JOB_OWN_IDENTITY;
}

enum job_state own_start(struct job *j, const struct view *keys_view, const struct view *state_view)
{
	own.keys = *keys_view;
	own.state = *state_view;
	own.copy = 0;
	return read_identity(j);
}

enum job_state own_identity(struct job *j)
{
	if (!job_read_failed(j))
		identity_take(j->buf);
	own.copy++;
	return read_identity(j);
}

enum job_state own_state(struct job *j)
{
	state_take(own.copy, job_read_failed(j) ? NULL : j->buf);
	own.copy++;
	return read_state(j);
}

/* Nothing encrypted is opened, and nothing written: what there is is evidence. */
static void lock_all(const char *wrong)
{
	console_log("tampered with: %s", wrong);
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		if (!personas[p].config->encrypted || personas[p].state != PERSONA_WAITING)
			continue;
		personas[p].state = PERSONA_FAILED;
		personas[p].wrong = wrong;
	}
}

static void say_who(enum identity id)
{
	if (id == IDENTITY_SOUND && identity_fleet()[0])
		console_log("device %s of fleet %s", identity_serial(), identity_fleet());
	else if (id == IDENTITY_SOUND)
		console_log("device %s", identity_serial());
	else if (id == IDENTITY_NONE)
		console_log("not provisioned: takes no orders");
}

static enum job_state settle(struct job *j)
{
	enum identity id = identity_settle();
	enum state_found found = state_found();
	say_who(id);
	if (id == IDENTITY_WRONG || (id == IDENTITY_SOUND && found != STATE_SOUND)) {
		lock_all(id == IDENTITY_WRONG ? "its identity is not this device's" : "its journal is lost");
		state_open(NULL, true);
		return open_containers(j);
	}
	if (!own.state.sectors)
		console_log("no partition %s: nothing is remembered", MVP_STATE_PARTITION);
	state_open(own.state.sectors ? &own.state : NULL, found != STATE_SOUND);
	uint64_t seen = state_get()->time, made = identity_provisioned_at();
	clock_start(seen > made ? seen : made);
	lease_start();
	if (state_get()->wipe == MVP_WIPE_NONE)
		return open_containers(j);
	if (state_get()->wipe == MVP_WIPE_DONE)
		handset_wiped(handset_managed());
	else
		wipe_run(state_commit());
	return JOB_OWN_WIPE;
}

enum job_state own_wipe(struct job *j)
{
	return wipe_keys_are_gone() ? open_containers(j) : JOB_OWN_WIPE;
}

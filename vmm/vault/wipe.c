/* Order matters, and each step is on the disk before the next begins:
 *   1. the journal says that there is a wipe: from here on no power cut undoes it;
 *   2. key slots and headers are overwritten and flushed: from here on nobody opens the container, whatever he knows;
 *   3. the journal says so; the persona is stopped, its volume key dropped, its memory scrubbed (halt.c);
 *   4. the data is discarded, or overwritten if the disk cannot do that or was not encrypted. Ciphertext without a key is noise already:
 * this is for those who do not want to rely on that;
 *   5. the journal says that it is done, with the receipt in the same record, so that there is one receipt and not two or none.
 * A start of the handset in the middle of it repeats 2, which costs nothing, and goes on. */
#include "wipe.h"

#include "console.h"
#include "handset.h"
#include "job.h"
#include "mvp/luks2.h"
#include "notify.h"
#include "receipt.h"
#include "ui/front.h"

#define RETRIES 3u              /* of the keys' part, if the disk reports an error */
#define DISCARD_PIECE 0x4000000 /* bytes: between two looks at the personas' needs */
#define STORE_BYTES 0x8000000u  /* the journal keeps the position this often */

static struct job wiper;
static struct {
	uint64_t at, end;
	uint64_t stored; /* position that the journal has */
	unsigned failed, tries;
	bool keys_gone;
	bool overwrite; /* the disk discards, but not this */
} w;

static struct persona *victim(void)
{
	return &personas[wiper.persona];
}

static uint64_t partition_len(void)
{
	return victim()->partition.sectors * SECTOR;
}

/* Everything in front of the payload: ours begins at MVP_LUKS2_DATA_OFFSET; another container's where its header says, while there is one.
 */
static uint64_t keys_len(void)
{
	uint64_t payload_at = victim()->luks.payload_at;
	return min_u64(payload_at > MVP_LUKS2_DATA_OFFSET ? payload_at : MVP_LUKS2_DATA_OFFSET, partition_len());
}

static enum job_state write_zeros(uint64_t end, enum job_state next)
{
	memset(wiper.buf, 0, sizeof(wiper.buf));
	job_write(&wiper, &victim()->partition, w.at, wiper.buf, min_u64(JOB_BUF, end - w.at));
	return next;
}

static enum job_state begin_keys(void)
{
	w.at = 0;
	w.failed = 0;
	return write_zeros(keys_len(), JOB_WIPE_KEYS);
}

void wipe_run(uint32_t ticket)
{
	unsigned persona = handset_managed();
	if (wiper.state != JOB_IDLE || persona == mvp_vault_config.personas)
		return;
	wiper.persona = persona;
	wiper.ticket = ticket;
	w.tries = 0;
	w.stored = 0;
	w.keys_gone = false;
	w.overwrite = false;
	console_log("%s: wiping", victim()->config->name);
	handset_wiping(persona);
	wiper.state = JOB_WIPE_DECIDED;
}

void wipe_start(enum mvp_cause cause)
{
	struct mvp_state *s = state_edit();
	if (s->wipe != MVP_WIPE_NONE)
		return;
	s->wipe = MVP_WIPE_KEYS;
	s->wipe_cause = cause;
	s->reason_len = 0;
	wipe_run(state_commit());
}

static enum job_state keys_gone(struct job *j)
{
	w.keys_gone = true;
	state_edit()->wipe = MVP_WIPE_DATA;
	j->ticket = state_commit();
	handset_halt(j->persona);
	return JOB_WIPE_HALTED;
}

/* A journal that cannot be written is no reason to keep the keys. */
enum job_state wipe_decided(struct job *j)
{
	if (state_settled(j->ticket) == STATE_PENDING || !rekey_stop(&victim()->job))
		return JOB_WIPE_DECIDED;
	return partition_len() ? begin_keys() : keys_gone(j);
}

enum job_state wipe_keys(struct job *j)
{
	w.failed += job_read_failed(j);
	w.at += j->io.len;
	if (w.at < keys_len())
		return write_zeros(keys_len(), JOB_WIPE_KEYS);
	job_flush(j, &victim()->partition);
	return JOB_WIPE_KEYS_FLUSHED;
}

enum job_state wipe_keys_flushed(struct job *j)
{
	w.failed += job_read_failed(j);
	if (w.failed && w.tries++ < RETRIES)
		return begin_keys();
	if (w.failed)
		console_log("%s: the disk refuses to overwrite all keys", victim()->config->name);
	return keys_gone(j);
}

/* The data's part begins behind the keys, or where the journal says that it was. */
enum job_state wipe_halted(struct job *j)
{
	if (state_settled(j->ticket) == STATE_PENDING || !victim()->halted)
		return JOB_WIPE_HALTED;
	notify_forget(j->persona);
	w.at = state_get()->wipe_position;
	if (w.at < keys_len() || w.at > partition_len() || w.at % SECTOR)
		w.at = keys_len();
	w.stored = w.at;
	w.failed = 0;
	return JOB_WIPE_TURN;
}

static bool discards(void)
{
	return victim()->config->encrypted && disk_discards() && !w.overwrite;
}

/* A piece for each share of CPU time that the vault gets: the other persona's disk is not flooded. */
enum job_state wipe_turn(struct job *j)
{
	uint64_t end = partition_len();
	if (w.at == end) {
		job_flush(j, &victim()->partition);
		return JOB_WIPE_FLUSHED;
	}
	if (!discards())
		return write_zeros(end, JOB_WIPE_DATA);
	job_discard(j, &victim()->partition, w.at, min_u64(DISCARD_PIECE, end - w.at));
	return JOB_WIPE_DATA;
}

enum job_state wipe_data(struct job *j)
{
	unsigned percent = wipe_percent();
	if (job_read_failed(j) && discards()) {
		w.overwrite = true;
		return JOB_WIPE_TURN;
	}
	w.failed += job_read_failed(j);
	w.at += j->io.len;
	if (wipe_percent() != percent)
		front_update();
	if (w.at - w.stored >= STORE_BYTES) {
		w.stored = w.at;
		state_edit()->wipe_position = w.at;
		state_commit();
	}
	return JOB_WIPE_TURN;
}

enum job_state wipe_flushed(struct job *j)
{
	struct mvp_state *s = state_edit();
	if (w.failed)
		console_log("%s: the disk refuses to overwrite %u pieces", victim()->config->name, w.failed);
	s->wipe = MVP_WIPE_DONE;
	s->wipe_position = partition_len();
	receipt_add(s->wipe_cause, s->wipe_cause == MVP_CAUSE_ORDER ? s->wipe_order : NULL, MVP_ACTION_WIPE, MVP_OUTCOME_DONE);
	j->ticket = state_commit();
	return JOB_WIPE_DONE;
}

enum job_state wipe_done(struct job *j)
{
	if (state_settled(j->ticket) == STATE_PENDING)
		return JOB_WIPE_DONE;
	handset_wiped(j->persona);
	return JOB_IDLE;
}

bool wipe_keys_are_gone(void)
{
	return wiper.state == JOB_IDLE || w.keys_gone;
}

unsigned wipe_percent(void)
{
	uint64_t len = partition_len();
	return wiper.state < JOB_WIPE_TURN || !len ? 0 : (unsigned)(w.at / (len / 100 + 1));
}

bool wipe_step(bool work)
{
	return job_step(&wiper, work);
}

bool wipe_has_work(void)
{
	return job_computes(&wiper);
}

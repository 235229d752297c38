/* The machinery of jobs: what each state waits for, and reads. */
#include "job.h"
#include "devices/vblk.h"

#define STEP_US 200u /* of computation in one MVP_EV_WORK */

enum wait { WAIT_NOTHING, WAIT_READ, WAIT_WORK };

/* What a state waits for, and its step. */
static const struct {
	enum wait wait;
	enum job_state (*step)(struct job *j);
} states[JOB_STATES] = {
	[JOB_GPT_HEADER] = { WAIT_READ, gpt_job_header },
	[JOB_GPT_ENTRIES] = { WAIT_READ, gpt_job_entries },
	[JOB_OPEN_TABLE] = { WAIT_NOTHING, open_table },
	[JOB_OPEN_COPY] = { WAIT_READ, open_copy },
	[JOB_OPEN_AREA] = { WAIT_READ, open_area },
	[JOB_FLUSH] = { WAIT_READ, handset_flushed },
	[JOB_OWN_IDENTITY] = { WAIT_READ, own_identity },
	[JOB_OWN_STATE] = { WAIT_READ, own_state },
	[JOB_OWN_WIPE] = { WAIT_NOTHING, own_wipe },
	[JOB_STATE_WRITTEN] = { WAIT_READ, state_written },
	[JOB_STATE_FLUSHED] = { WAIT_READ, state_flushed },
	[JOB_SLOTS_READ] = { WAIT_READ, slots_read },
	[JOB_SLOTS_WRITTEN] = { WAIT_READ, slots_written },
	[JOB_SLOTS_FLUSHED] = { WAIT_READ, slots_flushed },
	[JOB_COUNTED] = { WAIT_NOTHING, unlock_counted },
	[JOB_KDF] = { WAIT_WORK, unlock_kdf },
	[JOB_SLOT_AREA] = { WAIT_READ, unlock_area },
	[JOB_SLOT_MERGE] = { WAIT_WORK, unlock_merge },
	[JOB_DIGEST] = { WAIT_WORK, unlock_digest },
	[JOB_REKEY_HEADER] = { WAIT_READ, rekey_header },
	[JOB_REKEY_KDF] = { WAIT_WORK, rekey_kdf },
	[JOB_REKEY_FILL] = { WAIT_WORK, rekey_fill },
	[JOB_REKEY_AREA] = { WAIT_READ, rekey_area },
	[JOB_REKEY_COPY] = { WAIT_READ, rekey_copy },
	[JOB_REKEY_FLUSHED] = { WAIT_READ, rekey_flushed },
	[JOB_DRAIN] = { WAIT_WORK, load_drain },
	[JOB_SCRUB] = { WAIT_WORK, load_scrub },
	[JOB_LOAD_TABLE] = { WAIT_NOTHING, load_table },
	[JOB_LOAD_SLOT] = { WAIT_READ, load_slot },
	[JOB_LOAD_SLOT_WRITTEN] = { WAIT_READ, load_slot_written },
	[JOB_LOAD_SLOT_FLUSHED] = { WAIT_READ, load_slot_flushed },
	[JOB_VBMETA] = { WAIT_READ, verify_vbmeta },
	[JOB_SIGNATURE] = { WAIT_WORK, verify_signature },
	[JOB_SIGNATURE_STEP] = { WAIT_WORK, verify_signature_step },
	[JOB_HEAD] = { WAIT_READ, load_head },
	[JOB_KERNEL] = { WAIT_READ, load_kernel },
	[JOB_RAMDISK] = { WAIT_READ, load_ramdisk },
	[JOB_REST] = { WAIT_READ, load_rest },
	[JOB_HASH] = { WAIT_WORK, verify_hash },
	[JOB_SEED] = { WAIT_NOTHING, load_seed },
	[JOB_CLEAN] = { WAIT_WORK, load_clean },
	[JOB_HALT] = { WAIT_READ, halt },
	[JOB_HALT_STOP] = { WAIT_WORK, halt_stop },
	[JOB_HALT_DRAIN] = { WAIT_WORK, halt_drain },
	[JOB_HALT_SCRUB] = { WAIT_WORK, halt_scrub },
	[JOB_WIPE_DECIDED] = { WAIT_NOTHING, wipe_decided },
	[JOB_WIPE_KEYS] = { WAIT_READ, wipe_keys },
	[JOB_WIPE_KEYS_FLUSHED] = { WAIT_READ, wipe_keys_flushed },
	[JOB_WIPE_HALTED] = { WAIT_NOTHING, wipe_halted },
	[JOB_WIPE_TURN] = { WAIT_WORK, wipe_turn },
	[JOB_WIPE_DATA] = { WAIT_READ, wipe_data },
	[JOB_WIPE_FLUSHED] = { WAIT_READ, wipe_flushed },
	[JOB_WIPE_DONE] = { WAIT_NOTHING, wipe_done },
};

uint64_t job_deadline(void)
{
	return arch_counter() + (uint64_t)arch_counter_hz() * STEP_US / 1000000;
}

static void submit(struct job *j, const struct view *v, enum io_op op, uint64_t at, uint8_t *data, uint64_t len)
{
	j->io.view = v;
	j->io.op = op;
	j->io.unmap = false;
	j->io.sector = at / SECTOR;
	j->io.len = len;
	j->io.segs_count = data ? 1 : 0;
	j->io.segs[0].at = data;
	j->io.segs[0].len = (uint32_t)len;
	disk_lock(DISK_CLIENT_VAULT);
	j->reading = true;
	if (op == IO_FLUSH ||
	    (len && (!data || len <= UINT32_MAX) && at % SECTOR == 0 && len % SECTOR == 0 && range_in(at, len, v->sectors * SECTOR))) {
		disk_submit(DISK_CLIENT_VAULT, &j->io);
	} else {
		j->io.failed = true;
		j->reading = false;
	}
	disk_unlock(DISK_CLIENT_VAULT);
}

void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len)
{
	submit(j, v, IO_READ, at, to, len);
}

void job_write(struct job *j, const struct view *v, uint64_t at, uint8_t *from, uint64_t len)
{
	submit(j, v, IO_WRITE, at, from, len);
}

void job_discard(struct job *j, const struct view *v, uint64_t at, uint64_t len)
{
	submit(j, v, IO_DISCARD, at, NULL, len);
}

void job_flush(struct job *j, const struct view *v)
{
	submit(j, v, IO_FLUSH, 0, NULL, 0);
}

bool job_read_failed(const struct job *j)
{
	return j->io.failed;
}

void disk_io_done(unsigned client, struct io *io)
{
	if (client != DISK_CLIENT_VAULT) {
		vblk_io_done(client, io);
		return;
	}
	struct job *j = (struct job *)((uint8_t *)io - offsetof(struct job, io));
	j->reading = false;
}

bool job_step(struct job *j, bool work)
{
	enum job_state before = j->state;
	enum wait wait = states[before].wait;
	if (before == JOB_IDLE || (wait == WAIT_READ && j->reading) || (wait == WAIT_WORK && !work))
		return false;
	j->state = states[before].step(j);
	/* A computation that goes on has used up its share; one that ended leaves a state that may go on at once. */
	return wait == WAIT_READ || j->state != before;
}

bool job_computes(const struct job *j)
{
	return j->state != JOB_IDLE && states[j->state].wait == WAIT_WORK;
}

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
	[JOB_KDF] = { WAIT_WORK, unlock_kdf },
	[JOB_SLOT_AREA] = { WAIT_READ, unlock_area },
	[JOB_SLOT_MERGE] = { WAIT_WORK, unlock_merge },
	[JOB_DIGEST] = { WAIT_WORK, unlock_digest },
	[JOB_DRAIN] = { WAIT_NOTHING, load_drain },
	[JOB_SCRUB] = { WAIT_WORK, load_scrub },
	[JOB_LOAD_TABLE] = { WAIT_NOTHING, load_table },
	[JOB_VBMETA] = { WAIT_READ, verify_vbmeta },
	[JOB_SIGNATURE] = { WAIT_WORK, verify_signature },
	[JOB_HEAD] = { WAIT_READ, load_head },
	[JOB_KERNEL] = { WAIT_READ, load_kernel },
	[JOB_RAMDISK] = { WAIT_READ, load_ramdisk },
	[JOB_REST] = { WAIT_READ, load_rest },
	[JOB_HASH] = { WAIT_WORK, verify_hash },
	[JOB_SEED] = { WAIT_NOTHING, load_seed },
	[JOB_CLEAN] = { WAIT_WORK, load_clean },
};

uint64_t job_deadline(void)
{
	return arch_counter() + (uint64_t)arch_counter_hz() * STEP_US / 1000000;
}

void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len)
{
	j->io.view = v;
	j->io.op = IO_READ;
	j->io.sector = at / SECTOR;
	j->io.len = len;
	j->io.segs_count = 1;
	j->io.segs[0].at = to;
	j->io.segs[0].len = (uint32_t)len;
	disk_lock(DISK_CLIENT_VAULT);
	j->reading = true;
	if (len && len <= UINT32_MAX && at % SECTOR == 0 && len % SECTOR == 0 && range_in(at, len, v->sectors * SECTOR)) {
		disk_submit(DISK_CLIENT_VAULT, &j->io);
	} else {
		j->io.failed = true;
		j->reading = false;
	}
	disk_unlock(DISK_CLIENT_VAULT);
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

#include "state.h"

#include "console.h"
#include "identity.h"
#include "job.h"

#define RECORD_LEN sizeof(struct mvp_state)
_Static_assert(RECORD_LEN % SECTOR == 0 && RECORD_LEN <= JOB_BUF, "a record is whole sectors");
_Static_assert(MVP_MAX_PERSONAS <= MVP_STATE_PERSONAS, "the record has a place for each persona");

static struct mvp_state current;
static uint64_t sequence; /* of the last record that is durable */
static struct {
	bool sound, wrong;
} found;

static struct {
	struct job job;
	struct view view;
	bool open;
	bool has_record;                        /* that counts: the next one goes beside it */
	uint32_t wanted, writing, done, failed; /* tickets: of the last commit, being written, durable, given up */
} journal;

/* Records */

static void seal(struct mvp_state *s)
{
	uint8_t key[SHA256_LEN];
	identity_derive(MVP_LABEL_STATE, key);
	s->checksum = crc32_add(0, (const uint8_t *)s, offsetof(struct mvp_state, checksum));
	hmac_sha256(key, sizeof(key), s, offsetof(struct mvp_state, mac), s->mac);
	wipe(key, sizeof(key));
}

/* Checked first: a torn write is no forgery. */
static bool is_whole(const struct mvp_state *s)
{
	return !memcmp(s->magic, MVP_STATE_MAGIC, sizeof(s->magic)) && s->version == MVP_STATE_VERSION && s->len == RECORD_LEN &&
	       s->checksum == crc32_add(0, (const uint8_t *)s, offsetof(struct mvp_state, checksum));
}

static bool is_ours(const struct mvp_state *s)
{
	uint8_t key[SHA256_LEN], mac[SHA256_LEN];
	identity_derive(MVP_LABEL_STATE, key);
	hmac_sha256(key, sizeof(key), s, offsetof(struct mvp_state, mac), mac);
	bool right = same_secret(mac, s->mac, sizeof(mac));
	wipe(key, sizeof(key));
	return right;
}

/* What a vault that we are not might have written under our key. */
static bool is_sane(const struct mvp_state *s)
{
	return s->wipe <= MVP_WIPE_DONE && s->receipts_count <= MVP_STATE_RECEIPTS && s->reason_len <= MVP_STATE_REASON;
}

void state_take(unsigned copy, const uint8_t *record)
{
	static struct mvp_state s;
	if (!record)
		return;
	memcpy(&s, record, sizeof(s));
	if (!is_whole(&s))
		return;
	if (!is_ours(&s) || !is_sane(&s) || s.sequence % MVP_STATE_COPIES != copy) {
		found.wrong = true;
		return;
	}
	if (!found.sound || s.sequence > sequence) {
		current = s;
		sequence = s.sequence;
	}
	found.sound = true;
}

enum state_found state_found(void)
{
	return found.sound ? STATE_SOUND : found.wrong ? STATE_WRONG : STATE_EMPTY;
}

/* The journal */

void state_open(const struct view *v, bool fresh)
{
	if (fresh) {
		memset(&current, 0, sizeof(current));
		memcpy(current.magic, MVP_STATE_MAGIC, sizeof(current.magic));
		current.version = MVP_STATE_VERSION;
		current.len = RECORD_LEN;
		sequence = 0;
	}
	journal.has_record = !fresh;
	journal.open = v != NULL;
	if (v)
		journal.view = *v;
	journal.job.persona = MVP_MAX_PERSONAS;
}

const struct mvp_state *state_get(void)
{
	return &current;
}

struct mvp_state *state_edit(void)
{
	return &current;
}

uint32_t state_commit(void)
{
	return ++journal.wanted;
}

/* Tickets go round after 2^32 commits. */
static bool reached(uint32_t ticket, uint32_t last)
{
	return (int32_t)(last - ticket) >= 0;
}

enum state_done state_settled(uint32_t ticket)
{
	if (reached(ticket, journal.done))
		return STATE_DONE;
	return reached(ticket, journal.failed) ? STATE_FAILED : STATE_PENDING;
}

bool state_is_idle(void)
{
	return journal.job.state == JOB_IDLE && (reached(journal.wanted, journal.done) || reached(journal.wanted, journal.failed));
}

static enum job_state gave_up(void)
{
	journal.failed = journal.writing;
	console_log("the journal cannot be written");
	return JOB_IDLE;
}

enum job_state state_written(struct job *j)
{
	if (job_read_failed(j))
		return gave_up();
	job_flush(j, &journal.view);
	return JOB_STATE_FLUSHED;
}

enum job_state state_flushed(struct job *j)
{
	if (job_read_failed(j))
		return gave_up();
	sequence = ((const struct mvp_state *)j->buf)->sequence;
	journal.has_record = true;
	journal.done = journal.writing;
	return JOB_IDLE;
}

/* Writes what is committed so far over the copy that does not count. */
static void begin(void)
{
	struct mvp_state *s = (struct mvp_state *)journal.job.buf;
	memcpy(s, &current, sizeof(*s));
	s->sequence = journal.has_record ? sequence + 1 : 0;
	seal(s);
	journal.writing = journal.wanted;
	journal.job.state = JOB_STATE_WRITTEN;
	job_write(&journal.job, &journal.view, MVP_STATE_AT(s->sequence % MVP_STATE_COPIES), journal.job.buf, RECORD_LEN);
}

bool state_poll(void)
{
	if (journal.job.state != JOB_IDLE)
		return job_step(&journal.job, false);
	if (state_is_idle())
		return false;
	if (!journal.open) {
		journal.done = journal.wanted;
		return true;
	}
	begin();
	return true;
}

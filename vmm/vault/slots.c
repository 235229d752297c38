#include "slots.h"

#include "console.h"
#include "job.h"

#define TRIES_MAX 7u
_Static_assert(MVP_SLOTS_AT + sizeof(struct mvp_slots) <= SLOTS_BLOCK && SLOTS_BLOCK <= JOB_BUF, "the record is in one block");

enum { HANDSET = MVP_MAX_PERSONAS, OWNERS };

static struct {
	struct job job;
	unsigned owner; /* whose record the job is about */
	struct view misc;
	struct {
		uint64_t at; /* of the record's block, in misc or the persona's disk */
		bool there, wanted;
	} owners[OWNERS];
} slots;

void slots_open(const struct view *misc)
{
	slots.misc = *misc;
	slots.owners[HANDSET].there = misc->sectors >= SLOTS_BLOCK / SECTOR;
	slots.job.persona = MVP_MAX_PERSONAS;
}

void slots_open_persona(unsigned persona, uint64_t at)
{
	slots.owners[persona].at = at;
	slots.owners[persona].there = at != 0;
	slots.owners[persona].wanted = false;
}

void slots_good(unsigned persona)
{
	slots.owners[persona].wanted = slots.owners[persona].there;
	slots.owners[HANDSET].wanted = slots.owners[HANDSET].there;
}

bool slots_busy(unsigned persona)
{
	return slots.job.state != JOB_IDLE && slots.owner == persona;
}

/* The record */

static uint32_t sum_of(const struct mvp_slots *s)
{
	return crc32_add(0, (const uint8_t *)s, offsetof(struct mvp_slots, checksum));
}

static bool is_record(const struct mvp_slots *s)
{
	return s->magic == MVP_SLOTS_MAGIC && s->version == MVP_SLOTS_VERSION && s->checksum == sum_of(s);
}

bool slots_mark(struct mvp_slots *s)
{
	unsigned slot = (unsigned)s->suffix[1] - 'a';
	if (!is_record(s) || s->suffix[0] != '_' || s->suffix[2] || slot >= (s->count & 7u) || slot >= MVP_SLOTS_MAX ||
	    (s->slot[slot] & MVP_SLOT_SUCCESSFUL))
		return false;
	/* None left would mean, to some, that it cannot be started. */
	s->slot[slot] = (uint16_t)((s->slot[slot] & ~MVP_SLOT_TRIES) | 1 << MVP_SLOT_TRIES_SHIFT | MVP_SLOT_SUCCESSFUL);
	s->checksum = sum_of(s);
	return true;
}

static bool can_start(const struct mvp_slots *s, unsigned slot)
{
	return (s->slot[slot] & MVP_SLOT_PRIORITY) && (s->slot[slot] & (MVP_SLOT_TRIES | MVP_SLOT_SUCCESSFUL));
}

/* The slots have all tries, the first goes first. */
static void begin_anew(struct mvp_slots *s, unsigned refused)
{
	memset(s, 0, sizeof(*s));
	s->magic = MVP_SLOTS_MAGIC;
	s->version = MVP_SLOTS_VERSION;
	s->count = SLOTS;
	for (unsigned i = 0; i < SLOTS; i++)
		s->slot[i] = refused & 1u << i ? 0 : (uint16_t)(TRIES_MAX << MVP_SLOT_TRIES_SHIFT | (MVP_SLOT_PRIORITY - i));
}

/* That can be started and comes first; SLOTS: there is none. */
static unsigned best_of(const struct mvp_slots *s)
{
	unsigned best = SLOTS;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (can_start(s, i) && (best == SLOTS || (s->slot[i] & MVP_SLOT_PRIORITY) > (s->slot[best] & MVP_SLOT_PRIORITY)))
			best = i;
	}
	return best;
}

unsigned slots_choose(struct mvp_slots *s, unsigned refused)
{
	if (!is_record(s))
		begin_anew(s, refused);
	for (unsigned i = 0; i < SLOTS; i++)
		s->slot[i] = refused & 1u << i ? 0 : s->slot[i];
	unsigned best = best_of(s);
	if (best == SLOTS) {
		begin_anew(s, refused);
		best = best_of(s);
	}
	if (best < SLOTS) {
		memset(s->suffix, 0, sizeof(s->suffix));
		s->suffix[0] = '_';
		s->suffix[1] = (uint8_t)('a' + best);
		if (!(s->slot[best] & MVP_SLOT_SUCCESSFUL))
			s->slot[best] = (uint16_t)(s->slot[best] - (1u << MVP_SLOT_TRIES_SHIFT));
	}
	s->checksum = sum_of(s);
	return best;
}

/* Marking */

static const struct view *view_of(unsigned owner)
{
	return owner == HANDSET ? &slots.misc : &personas[owner].disk;
}

enum job_state slots_read(struct job *j)
{
	struct mvp_slots *s = (struct mvp_slots *)(j->buf + MVP_SLOTS_AT);
	if (job_read_failed(j) || !slots_mark(s))
		return JOB_IDLE;
	if (slots.owner == HANDSET)
		console_log("slot %s is good", (const char *)s->suffix + 1);
	else
		console_log("%s: slot %s is good", personas[slots.owner].config->name, (const char *)s->suffix + 1);
	job_write(j, view_of(slots.owner), slots.owners[slots.owner].at, j->buf, SLOTS_BLOCK);
	return JOB_SLOTS_WRITTEN;
}

enum job_state slots_written(struct job *j)
{
	if (job_read_failed(j)) {
		console_log("the slot cannot be marked");
		return JOB_IDLE;
	}
	job_flush(j, view_of(slots.owner));
	return JOB_SLOTS_FLUSHED;
}

enum job_state slots_flushed(struct job *j)
{
	(void)j;
	return JOB_IDLE;
}

bool slots_poll(void)
{
	if (slots.job.state != JOB_IDLE)
		return job_step(&slots.job, false);
	for (unsigned i = 0; i < OWNERS; i++) {
		if (!slots.owners[i].wanted)
			continue;
		slots.owners[i].wanted = false;
		slots.owner = i;
		slots.job.state = JOB_SLOTS_READ;
		job_read(&slots.job, view_of(i), slots.owners[i].at, slots.job.buf, SLOTS_BLOCK);
		return true;
	}
	return false;
}

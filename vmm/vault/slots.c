#include "slots.h"

#include "console.h"
#include "job.h"

#define BLOCK 4096u /* what is read and written at once: the record does not cross one */
_Static_assert(MVP_SLOTS_AT + sizeof(struct mvp_slots) <= BLOCK && BLOCK <= JOB_BUF, "the record is in one block");

static struct {
	struct job job;
	struct view view;
	bool wanted;
} slots;

void slots_open(const struct view *misc)
{
	slots.view = *misc;
	slots.job.persona = MVP_MAX_PERSONAS;
}

void slots_good(void)
{
	slots.wanted = slots.view.sectors >= BLOCK / SECTOR;
}

static uint32_t sum_of(const struct mvp_slots *s)
{
	return crc32_add(0, (const uint8_t *)s, offsetof(struct mvp_slots, checksum));
}

bool slots_mark(struct mvp_slots *s)
{
	unsigned slot = (unsigned)s->suffix[1] - 'a';
	if (s->magic != MVP_SLOTS_MAGIC || s->version != MVP_SLOTS_VERSION || s->checksum != sum_of(s) || s->suffix[0] != '_' ||
	    s->suffix[2] || slot >= (s->count & 7u) || slot >= MVP_SLOTS_MAX || (s->slot[slot] & MVP_SLOT_SUCCESSFUL))
		return false;
	/* None left would mean, to some, that it cannot be started. */
	s->slot[slot] = (uint16_t)((s->slot[slot] & ~MVP_SLOT_TRIES) | 1 << MVP_SLOT_TRIES_SHIFT | MVP_SLOT_SUCCESSFUL);
	s->checksum = sum_of(s);
	return true;
}

enum job_state slots_read(struct job *j)
{
	struct mvp_slots *s = (struct mvp_slots *)(j->buf + MVP_SLOTS_AT);
	if (job_read_failed(j) || !slots_mark(s))
		return JOB_IDLE;
	console_log("slot %s is good", (const char *)s->suffix + 1);
	job_write(j, &slots.view, 0, j->buf, BLOCK);
	return JOB_SLOTS_WRITTEN;
}

enum job_state slots_written(struct job *j)
{
	if (job_read_failed(j)) {
		console_log("the slot cannot be marked");
		return JOB_IDLE;
	}
	job_flush(j, &slots.view);
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
	if (!slots.wanted)
		return false;
	slots.wanted = false;
	slots.job.state = JOB_SLOTS_READ;
	job_read(&slots.job, &slots.view, 0, slots.job.buf, BLOCK);
	return true;
}

/* Reads the tables of a disk: the primary, and the backup at its end if the primary is not sound (UEFI 2.10, section 5.3.2). Reads are
 * whole 4096-byte blocks where the view allows, as encrypted views want it. */
#include "job.h"

#define BLOCK 4096u

static uint64_t view_len(const struct view *v)
{
	return v->sectors * SECTOR;
}

/* Reads the block that holds the header. */
static enum job_state read_header(struct job *j, bool backup)
{
	const struct view *v = j->gpt.view;
	uint64_t at = backup ? (view_len(v) - SECTOR) & ~(uint64_t)(BLOCK - 1) : 0;
	j->gpt.backup = backup;
	j->gpt.ok = false;
	job_read(j, v, at, j->buf, min_u64(BLOCK, view_len(v) - at));
	return JOB_GPT_HEADER;
}

void gpt_job_start(struct job *j, const struct view *v, enum job_state after)
{
	j->gpt.view = v;
	j->gpt.after = after;
	if (v->sectors < 2 * BLOCK / SECTOR) {
		j->gpt.ok = false;
		j->state = after;
		return;
	}
	j->state = read_header(j, false);
}

/* The piece of the entry array that is not fed yet; its first block may begin with something else. */
static enum job_state read_entries(struct job *j)
{
	const struct gpt_scan *s = &j->gpt.scan;
	uint64_t at = s->table.entries_sector * SECTOR + s->fed;
	uint64_t from = at & ~(uint64_t)(BLOCK - 1);
	uint64_t want = (at - from + s->table.entries_len - s->fed + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
	job_read(j, j->gpt.view, from, j->buf, min_u64(min_u64(want, JOB_BUF), view_len(j->gpt.view) - from));
	return JOB_GPT_ENTRIES;
}

static enum job_state next_copy(struct job *j)
{
	return j->gpt.backup ? j->gpt.after : read_header(j, true);
}

enum job_state gpt_job_header(struct job *j)
{
	const struct view *v = j->gpt.view;
	uint64_t lba = j->gpt.backup ? v->sectors - 1 : 1;
	uint64_t in_buf = lba % (BLOCK / SECTOR) * SECTOR;
	struct gpt_table table;
	if (job_read_failed(j) || !gpt_check_header(j->buf + in_buf, lba, v->sectors, &table))
		return next_copy(j);
	gpt_scan_start(&j->gpt.scan, &table);
	return read_entries(j);
}

enum job_state gpt_job_entries(struct job *j)
{
	struct gpt_scan *s = &j->gpt.scan;
	if (job_read_failed(j))
		return next_copy(j);
	uint64_t skip = (s->table.entries_sector * SECTOR + s->fed) % BLOCK;
	/* Whole entries only: the size is a power of two up to a block, and the array starts at a sector. */
	uint64_t len = (j->io.len - skip) / s->table.entry_size * s->table.entry_size;
	uint64_t left = s->table.entries_len - s->fed;
	gpt_scan_feed(s, j->buf + skip, min_u64(len, left));
	if (s->fed < s->table.entries_len)
		return len ? read_entries(j) : next_copy(j);
	j->gpt.ok = gpt_scan_end(s);
	return j->gpt.ok ? j->gpt.after : next_copy(j);
}

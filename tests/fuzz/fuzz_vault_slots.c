/* The record of the slots, which whoever writes misc may have made. Its checksum is mended half of the time. */
#include "tests/unit/vault_host.h"

#include "vmm/vault/lib.c"
#include "vmm/vault/slots.c"

struct persona personas[MVP_MAX_PERSONAS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not reached: the record alone is looked at. */
void console_log(const char *format, ...)
{
	(void)format;
}
void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len)
{
	(void)j, (void)v, (void)at, (void)to, (void)len;
}
void job_write(struct job *j, const struct view *v, uint64_t at, uint8_t *from, uint64_t len)
{
	(void)j, (void)v, (void)at, (void)from, (void)len;
}
void job_flush(struct job *j, const struct view *v)
{
	(void)j, (void)v;
}
bool job_read_failed(const struct job *j)
{
	(void)j;
	return false;
}
bool job_step(struct job *j, bool work)
{
	(void)j, (void)work;
	return false;
}

/* Whatever the record says, one of the slots that are not refused is started, and only it pays. */
static void choose(struct mvp_slots s, unsigned refused)
{
	unsigned slot = slots_choose(&s, refused);
	if ((slot == SLOTS) != (refused == 3) || s.checksum != sum_of(&s) || s.magic != MVP_SLOTS_MAGIC)
		__builtin_trap();
	for (unsigned i = 0; i < SLOTS; i++)
		if ((refused & 1u << i) && s.slot[i])
			__builtin_trap();
	if (slot != SLOTS && ((refused & 1u << slot) || !(s.slot[slot] & MVP_SLOT_PRIORITY)))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvp_slots s, was;
	if (size != sizeof(s) + 1)
		return 0;
	memcpy(&s, data + 1, sizeof(s));
	if (data[0] & 1)
		s.checksum = sum_of(&s);
	was = s;
	choose(s, data[0] >> 1 & 3u);
	if (!slots_mark(&s)) {
		if (memcmp(&s, &was, sizeof(s)) != 0)
			__builtin_trap();
		return 0;
	}
	/* One slot is another, and is good now; the record is sound, and marked. */
	unsigned changed = 0;
	for (unsigned i = 0; i < MVP_SLOTS_MAX; i++)
		changed += s.slot[i] != was.slot[i] && (s.slot[i] & MVP_SLOT_SUCCESSFUL) && (s.slot[i] & MVP_SLOT_TRIES) &&
			   ((s.slot[i] ^ was.slot[i]) & MVP_SLOT_PRIORITY) == 0;
	if (changed != 1 || s.checksum != sum_of(&s) || slots_mark(&s))
		__builtin_trap();
	return 0;
}

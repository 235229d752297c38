#include "imagegen/bundle/pit.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"

#define MAGIC 0x12349876u
#define HEADER_LEN 28
#define ENTRY_LEN 132

/* Padded with NUL; a name of the full length has none. */
static void put_text(struct buf *out, const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	buf_append(out, s, n);
	buf_zeros(out, len - n);
}

void pit_emit(const struct pit *p, struct buf *out)
{
	buf_le32(out, MAGIC);
	buf_le32(out, (uint32_t)p->count);
	put_text(out, p->tag, 8);
	put_text(out, p->cpu, 8);
	buf_le16(out, p->luns);
	buf_le16(out, 0);
	for (size_t i = 0; i < p->count; i++) {
		const struct pit_entry *e = &p->entries[i];
		buf_le32(out, e->binary);
		buf_le32(out, e->device);
		buf_le32(out, e->id);
		buf_le32(out, e->attributes);
		buf_le32(out, e->update_attributes);
		buf_le32(out, e->start);
		buf_le32(out, e->count);
		buf_le32(out, e->lun);
		buf_le32(out, 0); /* file size, obsolete */
		put_text(out, e->name, PIT_NAME_LEN);
		put_text(out, e->file, PIT_NAME_LEN);
		put_text(out, e->fota, PIT_NAME_LEN);
	}
}

static bool get_text(const uint8_t *p, size_t len, char *ret)
{
	size_t n = strnlen((const char *)p, len);
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] >= 0x7f)
			return false;
	memcpy(ret, p, n);
	ret[n] = 0;
	return true;
}

static bool get_entry(const uint8_t *p, struct pit_entry *e)
{
	*e = (struct pit_entry){ .binary = get_le32(p),
				 .device = get_le32(p + 4),
				 .id = get_le32(p + 8),
				 .attributes = get_le32(p + 12),
				 .update_attributes = get_le32(p + 16),
				 .start = get_le32(p + 20),
				 .count = get_le32(p + 24),
				 .lun = get_le32(p + 28) };
	return get_text(p + 36, PIT_NAME_LEN, e->name) && get_text(p + 68, PIT_NAME_LEN, e->file) &&
	       get_text(p + 100, PIT_NAME_LEN, e->fota);
}

int pit_parse(const uint8_t *data, size_t len, const char *label, struct pit *ret, struct diag *d)
{
	struct loc loc = LOC_AT(label, 0);
	if (len < HEADER_LEN || get_le32(data) != MAGIC)
		return diag_fail(d, MVP0570, &loc, "no partition information table: it does not begin with its magic number");
	uint32_t count = get_le32(data + 4);
	if (count > PIT_ENTRIES_MAX || (size_t)count * ENTRY_LEN > len - HEADER_LEN)
		return diag_fail(d, MVP0570, &loc, "the partition information table says it has %u entries, but the file has %zu bytes",
				 count, len);
	struct pit p CLEANUP(pit_fini) = { .luns = get_le16(data + 24), .count = count };
	if (!get_text(data + 8, 8, p.tag) || !get_text(data + 16, 8, p.cpu))
		return diag_fail(d, MVP0570, &loc, "the header of the partition information table holds text that is not printable ASCII");
	p.entries = mem_array(struct pit_entry, count);
	for (uint32_t i = 0; i < count; i++) {
		loc.offset = HEADER_LEN + (uint64_t)i * ENTRY_LEN;
		if (!get_entry(data + loc.offset, &p.entries[i]))
			return diag_fail(d, MVP0570, &loc,
					 "entry %u of the partition information table has a name that is not printable ASCII", i + 1);
	}
	*ret = p;
	p = (struct pit){ 0 };
	return 0;
}

void pit_fini(struct pit *p)
{
	free(p->entries);
	*p = (struct pit){ 0 };
}

#include "gpt.h"

bool gpt_check_header(const uint8_t *sector, uint64_t my_lba, uint64_t disk_sectors, struct gpt_table *ret_table)
{
	static const uint8_t zero[4];
	struct mvp_gpt_header h;
	memcpy(&h, sector, sizeof(h));

	if (h.signature != MVP_GPT_SIGNATURE || h.revision != MVP_GPT_REVISION)
		return false;
	if (h.header_size < sizeof(h) || h.header_size > MVP_GPT_SECTOR || h.my_lba != my_lba)
		return false;
	uint32_t crc = crc32_add(0, sector, offsetof(struct mvp_gpt_header, header_crc));
	crc = crc32_add(crc, zero, sizeof(zero));
	crc = crc32_add(crc, sector + offsetof(struct mvp_gpt_header, reserved), h.header_size - offsetof(struct mvp_gpt_header, reserved));
	if (crc != h.header_crc)
		return false;

	/* UEFI: 128 times a power of two. So a buffer that is a multiple of the largest size holds whole entries. */
	if (h.entry_size < MVP_GPT_ENTRY_SIZE || h.entry_size > MVP_GPT_ENTRY_SIZE_MAX || (h.entry_size & (h.entry_size - 1)))
		return false;
	if (!h.entries_count || h.entries_count > MVP_GPT_ENTRIES_MAX)
		return false;
	if (h.first_usable_lba > h.last_usable_lba || h.last_usable_lba >= disk_sectors)
		return false;
	uint64_t entries_len = (uint64_t)h.entries_count * h.entry_size;
	if (!range_in(h.entries_lba, (entries_len + SECTOR - 1) / SECTOR, disk_sectors) || h.entries_lba < 2)
		return false;

	*ret_table = (struct gpt_table){
		.entries_sector = h.entries_lba,
		.entries_len = entries_len,
		.first_usable = h.first_usable_lba,
		.last_usable = h.last_usable_lba,
		.entries_count = h.entries_count,
		.entry_size = h.entry_size,
		.entries_crc = h.entries_crc,
	};
	return true;
}

void gpt_scan_start(struct gpt_scan *s, const struct gpt_table *t)
{
	s->table = *t;
	s->fed = 0;
	s->crc = 0;
	s->bad = false;
	for (unsigned i = 0; i < GPT_WANTED_MAX; i++)
		s->wanted[i].found = false;
}

static bool name_is(const struct mvp_gpt_entry *e, const char *name)
{
	uint16_t chars[MVP_GPT_NAME_CHARS];
	memcpy(chars, (const uint8_t *)e + offsetof(struct mvp_gpt_entry, name), sizeof(chars));
	for (unsigned i = 0; i < MVP_GPT_NAME_CHARS; i++) {
		if (chars[i] != (uint8_t)name[i])
			return false;
		if (!name[i])
			return true;
	}
	return !name[MVP_GPT_NAME_CHARS];
}

static void take_entry(struct gpt_scan *s, const uint8_t *data)
{
	static const uint8_t unused[16];
	struct mvp_gpt_entry e;
	memcpy(&e, data, sizeof(e));
	if (!memcmp(e.type_guid, unused, sizeof(unused)))
		return;
	if (e.first_lba < s->table.first_usable || e.last_lba > s->table.last_usable || e.first_lba > e.last_lba) {
		s->bad = true;
		return;
	}
	for (unsigned i = 0; i < s->wanted_count; i++) {
		struct gpt_wanted *w = &s->wanted[i];
		if (!name_is(&e, w->name))
			continue;
		if (w->found)
			s->bad = true;
		w->found = true;
		w->sector = e.first_lba;
		w->sectors = e.last_lba - e.first_lba + 1;
	}
}

void gpt_scan_feed(struct gpt_scan *s, const uint8_t *data, size_t len)
{
	len = min_u64(len, s->table.entries_len - s->fed);
	s->crc = crc32_add(s->crc, data, len);
	s->fed += len;
	for (size_t at = 0; at + s->table.entry_size <= len; at += s->table.entry_size)
		take_entry(s, data + at);
}

bool gpt_scan_end(const struct gpt_scan *s)
{
	if (s->bad || s->fed != s->table.entries_len || s->crc != s->table.entries_crc)
		return false;
	for (unsigned i = 0; i < s->wanted_count; i++) {
		const struct gpt_wanted *a = &s->wanted[i];
		for (unsigned j = 0; j < i; j++) {
			const struct gpt_wanted *b = &s->wanted[j];
			if (a->found && b->found && a->sector < b->sector + b->sectors && b->sector < a->sector + a->sectors)
				return false;
		}
	}
	return true;
}

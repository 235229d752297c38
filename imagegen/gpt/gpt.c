#include "imagegen/gpt/gpt.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "mvp/gpt.h"

#define SECTOR MVP_GPT_SECTOR
#define ARRAY_LBAS ((uint64_t)MVP_GPT_ENTRIES * MVP_GPT_ENTRY_SIZE / SECTOR)
#define FRONT_LEN ((2 + ARRAY_LBAS) * SECTOR) /* protective MBR, header, entries */
#define BACK_LEN ((ARRAY_LBAS + 1) * SECTOR)

const uint8_t gpt_type_linux[16] = { 0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };

/* RFC 4122 byte order to the mixed order of the disk; its own inverse. */
static void swap_guid(const uint8_t in[16], uint8_t out[16])
{
	static const uint8_t from[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t copy[16];
	memcpy(copy, in, sizeof(copy));
	for (size_t i = 0; i < sizeof(copy); i++)
		out[i] = copy[from[i]];
}

static uint32_t crc32_of(const void *data, size_t len)
{
	return crc32_gzip_refl(0, data, len);
}

static int check_name(const struct gpt_part *parts, size_t i, struct diag *d)
{
	const char *name = parts[i].name;
	size_t n = strlen(name);
	if (n == 0 || n > MVP_GPT_NAME_CHARS)
		return diag_fail(d, MVP0502, &parts[i].loc, "the partition name '%s' has %zu characters; expected 1 to %d", name, n,
				 MVP_GPT_NAME_CHARS);
	for (size_t k = 0; k < n; k++)
		if (name[k] <= 0x20 || name[k] >= 0x7f)
			return diag_fail(d, MVP0502, &parts[i].loc, "the name of partition %zu has a character that is not printable ASCII",
					 i + 1);
	for (size_t k = 0; k < i; k++)
		if (strcmp(parts[k].name, name) == 0)
			return diag_fail(d, MVP0502, &parts[i].loc, "two partitions are named '%s'", name);
	return 0;
}

/* Gives every partition its place; *ret_end is where the last one ends. */
static int place(struct gpt_part *parts, size_t parts_count, uint64_t *ret_end, struct diag *d)
{
	uint64_t at = MVP_GPT_ALIGN;
	if (parts_count > MVP_GPT_ENTRIES)
		return diag_fail(d, MVP0501, &parts[MVP_GPT_ENTRIES].loc, "%zu partitions; a table holds %d", parts_count, MVP_GPT_ENTRIES);
	for (size_t i = 0; i < parts_count; i++) {
		struct gpt_part *p = &parts[i];
		uint64_t need = p->img ? image_len(p->img) : 0, len, end;
		char need_text[TEXT_SIZE_LEN], len_text[TEXT_SIZE_LEN];
		if (check_name(parts, i, d) < 0)
			return -1;
		if (p->len == 0)
			p->len = need;
		if (p->len == 0)
			return diag_fail(d, MVP0501, &p->loc, "the partition '%s' is empty", p->name);
		if (need > p->len)
			return diag_fail(d, MVP0501, &p->loc, "the content of partition '%s' (%s) is larger than the partition (%s)",
					 p->name, text_size(need, need_text), text_size(p->len, len_text));
		if (!num_align_up(p->len, MVP_GPT_ALIGN, &len) || !num_add(at, len, &end) || end > INT64_MAX)
			return diag_fail(d, MVP0501, &p->loc, "the disk becomes too large with partition '%s' (%s)", p->name,
					 text_size(p->len, len_text));
		p->len = len;
		p->at = at;
		at = end;
	}
	*ret_end = at;
	return 0;
}

static void emit_entries(const struct gpt_part *parts, size_t parts_count, uint8_t *array)
{
	for (size_t i = 0; i < parts_count; i++) {
		struct mvp_gpt_entry e = { .first_lba = htole64(parts[i].at / SECTOR),
					   .last_lba = htole64((parts[i].at + parts[i].len) / SECTOR - 1) };
		swap_guid(parts[i].type, e.type_guid);
		swap_guid(parts[i].uuid, e.guid);
		for (size_t k = 0; parts[i].name[k]; k++)
			e.name[k] = htole16((uint16_t)parts[i].name[k]);
		memcpy(array + i * sizeof(e), &e, sizeof(e));
	}
}

static void emit_header(const uint8_t disk_uuid[16], uint64_t disk_len, bool backup, const uint8_t *array, uint8_t *out)
{
	uint64_t last = disk_len / SECTOR - 1;
	struct mvp_gpt_header h = {
		.signature = htole64(MVP_GPT_SIGNATURE),
		.revision = htole32(MVP_GPT_REVISION),
		.header_size = htole32(MVP_GPT_HEADER_SIZE),
		.my_lba = htole64(backup ? last : 1),
		.alternate_lba = htole64(backup ? 1 : last),
		.first_usable_lba = htole64(FRONT_LEN / SECTOR),
		.last_usable_lba = htole64(last - BACK_LEN / SECTOR),
		.entries_lba = htole64(backup ? last - ARRAY_LBAS : 2),
		.entries_count = htole32(MVP_GPT_ENTRIES),
		.entry_size = htole32(MVP_GPT_ENTRY_SIZE),
		.entries_crc = htole32(crc32_of(array, ARRAY_LBAS * SECTOR)),
	};
	swap_guid(disk_uuid, h.disk_guid);
	h.header_crc = htole32(crc32_of(&h, sizeof(h)));
	memcpy(out, &h, sizeof(h));
}

static void emit_mbr(uint64_t disk_len, uint8_t *sector)
{
	struct mvp_mbr_entry e = { .chs_first = { 0x00, 0x02, 0x00 }, .type = MVP_MBR_TYPE_GPT, .chs_last = { 0xff, 0xff, 0xff } };
	e.first_lba = htole32(1);
	e.sectors = htole32((uint32_t)num_min(disk_len / SECTOR - 1, UINT32_MAX));
	memcpy(sector + MVP_MBR_ENTRY_AT, &e, sizeof(e));
	put_le16(sector + SECTOR - 2, MVP_MBR_SIGNATURE);
}

int gpt_compose(struct gpt_part *parts, size_t parts_count, const uint8_t disk_uuid[16], uint64_t disk_len, struct image **ret_img,
		struct diag *d)
{
	uint64_t end = 0;
	char need_text[TEXT_SIZE_LEN], len_text[TEXT_SIZE_LEN];
	if (place(parts, parts_count, &end, d) < 0)
		return -1;
	uint64_t need = end + BACK_LEN;
	if (disk_len == 0)
		disk_len = align_up(need, MVP_GPT_ALIGN);
	if (disk_len < need)
		return diag_fail(d, MVP0501, parts_count ? &parts[parts_count - 1].loc : NULL, "the partitions need %s; the disk has %s",
				 text_size(need, need_text), text_size(disk_len, len_text));
	if (disk_len % SECTOR || disk_len > INT64_MAX)
		return diag_fail(d, MVP0501, NULL, "the disk's size (%s) is not a multiple of %d bytes below 8 EiB",
				 text_size(disk_len, len_text), SECTOR);

	uint8_t *front = mem_zeroed(1, FRONT_LEN), *back = mem_zeroed(1, BACK_LEN);
	uint8_t *array = front + 2 * SECTOR;
	emit_entries(parts, parts_count, array);
	emit_mbr(disk_len, front);
	emit_header(disk_uuid, disk_len, false, array, front + SECTOR);
	memcpy(back, array, ARRAY_LBAS * SECTOR);
	emit_header(disk_uuid, disk_len, true, array, back + ARRAY_LBAS * SECTOR);

	struct image *front_img CLEANUP(image_freep) = image_mem(front, FRONT_LEN);
	struct image *back_img CLEANUP(image_freep) = image_mem(back, BACK_LEN);
	struct image_piece *pieces CLEANUP_FREE = mem_array(struct image_piece, parts_count + 2);
	size_t n = 0;
	pieces[n++] = (struct image_piece){ .img = front_img, .at = 0 };
	for (size_t i = 0; i < parts_count; i++)
		if (parts[i].img)
			pieces[n++] = (struct image_piece){ .img = parts[i].img, .at = parts[i].at };
	pieces[n++] = (struct image_piece){ .img = back_img, .at = disk_len - BACK_LEN };
	*ret_img = image_compose(disk_len, pieces, n);
	return 0;
}

/* What is wrong with the header in this sector (its CRC field is cleared), or NULL. */
static const char *header_fault(uint8_t sector[SECTOR], uint64_t lba, uint64_t disk_len)
{
	struct mvp_gpt_header h;
	uint64_t at;
	memcpy(&h, sector, sizeof(h));
	uint32_t header_size = le32toh(h.header_size), count = le32toh(h.entries_count), size = le32toh(h.entry_size);
	if (le64toh(h.signature) != MVP_GPT_SIGNATURE)
		return "it has no 'EFI PART' signature";
	if (header_size < MVP_GPT_HEADER_SIZE || header_size > SECTOR)
		return "its header size is out of range";
	memset(sector + offsetof(struct mvp_gpt_header, header_crc), 0, 4);
	if (crc32_of(sector, header_size) != le32toh(h.header_crc))
		return "the CRC of its header is wrong";
	if (le64toh(h.my_lba) != lba)
		return "it was made for another place on the disk";
	if (le64toh(h.first_usable_lba) > le64toh(h.last_usable_lba) || le64toh(h.last_usable_lba) >= disk_len / SECTOR)
		return "its usable area is larger than the disk";
	if (size < MVP_GPT_ENTRY_SIZE || size > MVP_GPT_ENTRY_SIZE_MAX || size % MVP_GPT_ENTRY_SIZE || count > MVP_GPT_ENTRIES_MAX)
		return "the size of its entries is out of range";
	if (!num_mul(le64toh(h.entries_lba), SECTOR, &at) || !num_inside(at, (uint64_t)count * size, disk_len))
		return "its entries lie outside the disk";
	return NULL;
}

/* One of the two tables of a disk. An unsound one is no failure: *ret_fault says what is wrong, and is NULL otherwise. *ret_array is
 * malloc'd, entries_count * entry_size bytes. -1 only for an I/O error. */
static int read_table(const struct image *img, uint64_t lba, struct mvp_gpt_header *ret_h, uint8_t **ret_array, const char **ret_fault,
		      struct diag *d)
{
	uint8_t sector[SECTOR];
	if (image_read(img, lba * SECTOR, sector, SECTOR, d) < 0)
		return -1;
	*ret_fault = header_fault(sector, lba, image_len(img));
	if (*ret_fault)
		return 0;
	memcpy(ret_h, sector, sizeof(*ret_h));
	size_t array_len = (size_t)le32toh(ret_h->entries_count) * le32toh(ret_h->entry_size);
	uint8_t *array CLEANUP_FREE = mem_zeroed(1, array_len);
	if (image_read(img, le64toh(ret_h->entries_lba) * SECTOR, array, array_len, d) < 0)
		return -1;
	if (crc32_of(array, array_len) != le32toh(ret_h->entries_crc))
		*ret_fault = "the CRC of its entries is wrong";
	else
		*ret_array = TAKE(array);
	return 0;
}

static void read_name(const struct mvp_gpt_entry *e, char name[MVP_GPT_NAME_CHARS + 1])
{
	size_t n = 0;
	for (; n < MVP_GPT_NAME_CHARS && e->name[n]; n++) {
		uint16_t c = le16toh(e->name[n]);
		name[n] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	name[n] = 0;
}

static int by_place(const void *a, const void *b)
{
	const struct gpt_entry *x = a, *y = b;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int check_overlap(const struct gpt_entry *entries, size_t count, const struct loc *loc, struct diag *d)
{
	struct gpt_entry *sorted CLEANUP_FREE = mem_array(struct gpt_entry, count);
	memcpy(sorted, entries, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_place);
	for (size_t i = 1; i < count; i++)
		if (sorted[i - 1].at + sorted[i - 1].len > sorted[i].at)
			return diag_fail(d, MVP0503, loc, "the partitions '%s' and '%s' overlap", sorted[i - 1].name, sorted[i].name);
	return 0;
}

static int read_entries(const struct mvp_gpt_header *h, const uint8_t *array, const char *label, struct gpt_entry **ret_entries,
			size_t *ret_count, struct diag *d)
{
	static const uint8_t unused[16] = { 0 };
	struct loc loc = LOC_AT(label, le64toh(h->entries_lba) * SECTOR);
	uint32_t total = le32toh(h->entries_count);
	struct gpt_entry *entries CLEANUP_FREE = mem_array(struct gpt_entry, total);
	size_t count = 0;
	for (uint32_t i = 0; i < total; i++) {
		struct mvp_gpt_entry e;
		memcpy(&e, array + (size_t)i * le32toh(h->entry_size), sizeof(e));
		if (memcmp(e.type_guid, unused, sizeof(unused)) == 0)
			continue;
		uint64_t first = le64toh(e.first_lba), last = le64toh(e.last_lba);
		if (first > last || first < le64toh(h->first_usable_lba) || last > le64toh(h->last_usable_lba))
			return diag_fail(d, MVP0503, &loc, "entry %u of the partition table lies outside the usable area", i + 1);
		struct gpt_entry *out = &entries[count++];
		out->at = first * SECTOR; /* below the image's length, so this does not overflow */
		out->len = (last - first + 1) * SECTOR;
		out->attributes = le64toh(e.attributes);
		swap_guid(e.type_guid, out->type);
		swap_guid(e.guid, out->uuid);
		read_name(&e, out->name);
	}
	if (check_overlap(entries, count, &loc, d) < 0)
		return -1;
	*ret_entries = TAKE(entries);
	*ret_count = count;
	return 0;
}

int gpt_read(const struct image *img, const char *label, struct gpt_entry **ret_entries, size_t *ret_count, struct diag *d)
{
	struct mvp_gpt_header h = { 0 };
	uint8_t *array CLEANUP_FREE = NULL;
	const char *fault = NULL, *backup_fault = NULL;
	struct loc loc = LOC_AT(label, SECTOR);
	uint64_t sectors = image_len(img) / SECTOR;
	if (sectors < 3)
		return diag_fail(d, MVP0503, &loc, "no GUID partition table: the file has only %llu bytes",
				 (unsigned long long)image_len(img));
	if (read_table(img, 1, &h, &array, &fault, d) < 0)
		return -1;
	if (fault) {
		if (read_table(img, sectors - 1, &h, &array, &backup_fault, d) < 0)
			return -1;
		if (backup_fault)
			return diag_fail(d, MVP0503, &loc, "no sound GUID partition table: %s, and there is no sound backup", fault);
		diag_warn(d, MVP0503, &loc, "the primary partition table is damaged (%s); the backup was read", fault);
	}
	return read_entries(&h, array, label, ret_entries, ret_count, d);
}

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
#define SECTOR_MAX 4096u
#define ARRAY_LEN_BYTES ((uint64_t)MVP_GPT_ENTRIES * MVP_GPT_ENTRY_SIZE) /* a multiple of both sector sizes */

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

uint64_t gpt_front_len(uint32_t sector_len)
{
	return 2 * (uint64_t)sector_len + ARRAY_LEN_BYTES; /* protective MBR, header, entries */
}

uint64_t gpt_back_len(uint32_t sector_len)
{
	return ARRAY_LEN_BYTES + sector_len;
}

static void emit_entries(const struct gpt_part *parts, size_t parts_count, uint32_t sector, uint8_t *array)
{
	for (size_t i = 0; i < parts_count; i++) {
		struct mvp_gpt_entry e = { .first_lba = htole64(parts[i].at / sector),
					   .last_lba = htole64((parts[i].at + parts[i].len) / sector - 1),
					   .attributes = htole64(parts[i].attributes) };
		swap_guid(parts[i].type, e.type_guid);
		swap_guid(parts[i].uuid, e.guid);
		for (size_t k = 0; parts[i].name[k]; k++)
			e.name[k] = htole16((uint16_t)parts[i].name[k]);
		memcpy(array + i * sizeof(e), &e, sizeof(e));
	}
}

static void emit_header(const uint8_t disk_uuid[16], uint64_t disk_len, uint32_t sector, bool backup, const uint8_t *array, uint8_t *out)
{
	uint64_t last = disk_len / sector - 1, array_lbas = ARRAY_LEN_BYTES / sector;
	struct mvp_gpt_header h = {
		.signature = htole64(MVP_GPT_SIGNATURE),
		.revision = htole32(MVP_GPT_REVISION),
		.header_size = htole32(MVP_GPT_HEADER_SIZE),
		.my_lba = htole64(backup ? last : 1),
		.alternate_lba = htole64(backup ? 1 : last),
		.first_usable_lba = htole64(2 + array_lbas),
		.last_usable_lba = htole64(last - array_lbas - 1),
		.entries_lba = htole64(backup ? last - array_lbas : 2),
		.entries_count = htole32(MVP_GPT_ENTRIES),
		.entry_size = htole32(MVP_GPT_ENTRY_SIZE),
		.entries_crc = htole32(crc32_of(array, ARRAY_LEN_BYTES)),
	};
	swap_guid(disk_uuid, h.disk_guid);
	h.header_crc = htole32(crc32_of(&h, sizeof(h)));
	memcpy(out, &h, sizeof(h));
}

static void emit_mbr(uint64_t disk_len, uint32_t sector_len, uint8_t *sector)
{
	struct mvp_mbr_entry e = { .chs_first = { 0x00, 0x02, 0x00 }, .type = MVP_MBR_TYPE_GPT, .chs_last = { 0xff, 0xff, 0xff } };
	e.first_lba = htole32(1);
	e.sectors = htole32((uint32_t)num_min(disk_len / sector_len - 1, UINT32_MAX));
	memcpy(sector + MVP_MBR_ENTRY_AT, &e, sizeof(e));
	put_le16(sector + SECTOR - 2, MVP_MBR_SIGNATURE);
}

int gpt_compose(struct gpt_part *parts, size_t parts_count, const uint8_t disk_uuid[16], uint64_t disk_len, struct image **ret_img,
		struct diag *d)
{
	return gpt_compose_sectors(parts, parts_count, disk_uuid, disk_len, SECTOR, ret_img, d);
}

int gpt_compose_sectors(struct gpt_part *parts, size_t parts_count, const uint8_t disk_uuid[16], uint64_t disk_len, uint32_t sector,
			struct image **ret_img, struct diag *d)
{
	uint64_t front_len = gpt_front_len(sector), back_len = gpt_back_len(sector);
	uint64_t end = 0;
	char need_text[TEXT_SIZE_LEN], len_text[TEXT_SIZE_LEN];
	if (place(parts, parts_count, &end, d) < 0)
		return -1;
	uint64_t need = end + back_len;
	if (disk_len == 0)
		disk_len = align_up(need, MVP_GPT_ALIGN);
	if (disk_len < need)
		return diag_fail(d, MVP0501, parts_count ? &parts[parts_count - 1].loc : NULL, "the partitions need %s; the disk has %s",
				 text_size(need, need_text), text_size(disk_len, len_text));
	if (disk_len % sector || disk_len > INT64_MAX)
		return diag_fail(d, MVP0501, NULL, "the disk's size (%s) is not a multiple of %u bytes below 8 EiB",
				 text_size(disk_len, len_text), sector);

	uint8_t *front = mem_zeroed(1, front_len), *back = mem_zeroed(1, back_len);
	uint8_t *array = front + 2 * (size_t)sector;
	emit_entries(parts, parts_count, sector, array);
	emit_mbr(disk_len, sector, front);
	emit_header(disk_uuid, disk_len, sector, false, array, front + sector);
	memcpy(back, array, ARRAY_LEN_BYTES);
	emit_header(disk_uuid, disk_len, sector, true, array, back + ARRAY_LEN_BYTES);

	struct image *front_img CLEANUP(image_freep) = image_mem(front, front_len);
	struct image *back_img CLEANUP(image_freep) = image_mem(back, back_len);
	struct image_piece *pieces CLEANUP_FREE = mem_array(struct image_piece, parts_count + 2);
	size_t n = 0;
	pieces[n++] = (struct image_piece){ .img = front_img, .at = 0 };
	for (size_t i = 0; i < parts_count; i++)
		if (parts[i].img)
			pieces[n++] = (struct image_piece){ .img = parts[i].img, .at = parts[i].at };
	pieces[n++] = (struct image_piece){ .img = back_img, .at = disk_len - back_len };
	*ret_img = image_compose(disk_len, pieces, n);
	return 0;
}

/* What is wrong with the header in this sector (its CRC field is cleared), or NULL. */
static const char *header_fault(uint8_t *sector, uint32_t sector_len, uint64_t lba, uint64_t disk_len)
{
	struct mvp_gpt_header h;
	uint64_t at;
	memcpy(&h, sector, sizeof(h));
	uint32_t header_size = le32toh(h.header_size), count = le32toh(h.entries_count), size = le32toh(h.entry_size);
	if (le64toh(h.signature) != MVP_GPT_SIGNATURE)
		return "it has no 'EFI PART' signature";
	if (header_size < MVP_GPT_HEADER_SIZE || header_size > sector_len)
		return "its header size is out of range";
	memset(sector + offsetof(struct mvp_gpt_header, header_crc), 0, 4);
	if (crc32_of(sector, header_size) != le32toh(h.header_crc))
		return "the CRC of its header is wrong";
	if (le64toh(h.my_lba) != lba)
		return "it was made for another place on the disk";
	if (le64toh(h.first_usable_lba) > le64toh(h.last_usable_lba) || le64toh(h.last_usable_lba) >= disk_len / sector_len)
		return "its usable area is larger than the disk";
	if (size < MVP_GPT_ENTRY_SIZE || size > MVP_GPT_ENTRY_SIZE_MAX || size % MVP_GPT_ENTRY_SIZE || count > MVP_GPT_ENTRIES_MAX)
		return "the size of its entries is out of range";
	if (!num_mul(le64toh(h.entries_lba), sector_len, &at) || !num_inside(at, (uint64_t)count * size, disk_len))
		return "its entries lie outside the disk";
	return NULL;
}

/* One of the two tables of a disk. An unsound one is no failure: *ret_fault says what is wrong, and is NULL otherwise. *ret_array is
 * malloc'd, entries_count * entry_size bytes. -1 only for an I/O error. */
static int read_table(const struct image *img, uint32_t sector_len, uint64_t lba, struct mvp_gpt_header *ret_h, uint8_t **ret_array,
		      const char **ret_fault, struct diag *d)
{
	uint8_t sector[SECTOR_MAX];
	if (image_read(img, lba * sector_len, sector, sector_len, d) < 0)
		return -1;
	*ret_fault = header_fault(sector, sector_len, lba, image_len(img));
	if (*ret_fault)
		return 0;
	memcpy(ret_h, sector, sizeof(*ret_h));
	size_t array_len = (size_t)le32toh(ret_h->entries_count) * le32toh(ret_h->entry_size);
	uint8_t *array CLEANUP_FREE = mem_zeroed(1, array_len);
	if (image_read(img, le64toh(ret_h->entries_lba) * sector_len, array, array_len, d) < 0)
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

static int read_entries(const struct mvp_gpt_header *h, const uint8_t *array, uint32_t sector_len, const char *label,
			struct gpt_entry **ret_entries, size_t *ret_count, struct diag *d)
{
	static const uint8_t unused[16] = { 0 };
	struct loc loc = LOC_AT(label, le64toh(h->entries_lba) * sector_len);
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
		out->at = first * sector_len; /* below the image's length, so this does not overflow */
		out->len = (last - first + 1) * sector_len;
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

int gpt_sector_len(const struct image *img, uint32_t *ret_len, struct diag *d)
{
	static const uint32_t lens[] = { SECTOR, SECTOR_MAX };
	*ret_len = 0;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		uint8_t signature[8];
		if (image_len(img) < 3 * (uint64_t)lens[i])
			break;
		if (image_read(img, lens[i], signature, sizeof(signature), d) < 0)
			return -1;
		if (get_le64(signature) == MVP_GPT_SIGNATURE) {
			*ret_len = lens[i];
			break;
		}
	}
	return 0;
}

int gpt_read(const struct image *img, const char *label, struct gpt_entry **ret_entries, size_t *ret_count, struct diag *d)
{
	struct mvp_gpt_header h = { 0 };
	uint8_t *array CLEANUP_FREE = NULL;
	const char *fault = NULL, *backup_fault = NULL;
	uint32_t sector_len;
	if (gpt_sector_len(img, &sector_len, d) < 0)
		return -1;
	if (!sector_len) /* a damaged primary table is looked for where most are */
		sector_len = SECTOR;
	struct loc loc = LOC_AT(label, sector_len);
	uint64_t sectors = image_len(img) / sector_len;
	if (sectors < 3)
		return diag_fail(d, MVP0503, &loc, "no GUID partition table: the file has only %llu bytes",
				 (unsigned long long)image_len(img));
	if (read_table(img, sector_len, 1, &h, &array, &fault, d) < 0)
		return -1;
	if (fault) {
		if (read_table(img, sector_len, sectors - 1, &h, &array, &backup_fault, d) < 0)
			return -1;
		if (backup_fault)
			return diag_fail(d, MVP0503, &loc, "no sound GUID partition table: %s, and there is no sound backup", fault);
		diag_warn(d, MVP0503, &loc, "the primary partition table is damaged (%s); the backup was read", fault);
	}
	return read_entries(&h, array, sector_len, label, ret_entries, ret_count, d);
}

int gpt_check(const struct image *img, const char *label, struct diag *d)
{
	struct mvp_gpt_header h[2];
	uint32_t sector_len;
	if (gpt_sector_len(img, &sector_len, d) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t lba = sector_len ? i ? image_len(img) / sector_len - 1 : 1 : 0;
		struct loc loc = LOC_AT(label, lba * sector_len);
		uint8_t *array CLEANUP_FREE = NULL;
		const char *fault = "it is not there";
		if (sector_len && read_table(img, sector_len, lba, &h[i], &array, &fault, d) < 0)
			return -1;
		if (fault)
			return diag_fail(d, MVP0503, &loc, "the %s partition table is damaged: %s", i ? "backup" : "primary", fault);
	}
	struct loc loc = LOC_AT(label, image_len(img) - sector_len);
	return h[0].entries_crc == h[1].entries_crc ? 0
						    : diag_fail(d, MVP0503, &loc, "the backup partition table is not that of the primary");
}

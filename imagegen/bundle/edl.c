/* Package for Qualcomm's emergency download mode: a zip with rawprogramN.xml and patchN.xml for each logical unit, partition tables and
 * images, for QFIL, qdl and the like. The programmer that runs on the device is the maker's and not part of it. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/imgzip.h"

#define LUNS 8

struct edl {
	const struct bundle *b;
	struct imgzip zip;
	struct flash flash[LUNS]; /* those without places are not there */
};

static void edl_free(void *state)
{
	struct edl *s = state;
	if (!s)
		return;
	for (size_t i = 0; i < LUNS; i++)
		flash_fini(&s->flash[i]);
	imgzip_fini(&s->zip);
	free(s);
}
DEFINE_FREEP(void, edl_free)

struct program {
	const char *file, *label;
	uint64_t sectors, start;
	const char *start_text; /* an expression of the programmer's, instead of start */
	bool sparse, table;
};

static void emit_program(const struct flash *f, const struct program *p, struct buf *out)
{
	buf_printf(out, "  <program SECTOR_SIZE_IN_BYTES=\"%u\" file_sector_offset=\"0\" filename=\"%s\" label=\"%s\"", f->sector_len,
		   p->file, p->label);
	buf_printf(out,
		   " num_partition_sectors=\"%llu\" partofsingleimage=\"%s\" physical_partition_number=\"%u\" readbackverify=\"false\"",
		   (unsigned long long)p->sectors, p->table ? "true" : "false", f->lun);
	buf_printf(out, " size_in_KB=\"%llu.0\" sparse=\"%s\"", (unsigned long long)(p->sectors * f->sector_len / KIB),
		   p->sparse ? "true" : "false");
	if (p->start_text)
		buf_printf(out, " start_byte_hex=\"(%u*%s)\" start_sector=\"%s\" />\n", f->sector_len, p->start_text, p->start_text);
	else
		/* NOLINTNEXTLINE(bugprone-misplaced-widening-cast): printf wants it */
		buf_printf(out, " start_byte_hex=\"0x%llx\" start_sector=\"%llu\" />\n", (unsigned long long)(p->start * f->sector_len),
			   (unsigned long long)p->start);
}

static void emit_rawprogram(const struct edl *s, const struct flash *f, struct buf *out)
{
	uint64_t front = gpt_front_len(f->sector_len) / f->sector_len, back = gpt_back_len(f->sector_len) / f->sector_len;
	char *main_name CLEANUP_FREE = mem_printf("gpt_main%u.bin", f->lun),
			*back_name CLEANUP_FREE = mem_printf("gpt_backup%u.bin", f->lun);
	char *back_at CLEANUP_FREE = mem_printf("NUM_DISK_SECTORS-%llu.", (unsigned long long)back);
	const struct program tables[] = {
		{ .file = main_name, .label = "PrimaryGPT", .sectors = front, .table = true },
		{ .file = back_name, .label = "BackupGPT", .sectors = back, .start_text = back_at, .table = true },
	};
	buf_puts(out, "<?xml version=\"1.0\" ?>\n<data>\n");
	for (size_t i = 0; i < f->places_count; i++) {
		const struct flash_place *place = &f->places[i];
		const struct bundle_part *p = &s->b->parts[place->part];
		char *image CLEANUP_FREE = p->own ? mem_strdup("") : bundle_image_name(p);
		const struct program program = { .file = image,
						 .label = place->name,
						 .sectors = place->len / f->sector_len,
						 .start = place->at / f->sector_len,
						 .sparse = imgzip_is_sparse(&s->zip, place->part) };
		emit_program(f, &program, out);
	}
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		emit_program(f, &tables[i], out);
	buf_puts(out, "</data>\n");
}

struct patch {
	unsigned at, len;
	const char *sector, *value, *what;
};

static void emit_patch(const struct flash *f, const char *file, const struct patch *p, struct buf *out)
{
	buf_printf(out,
		   "  <patch SECTOR_SIZE_IN_BYTES=\"%u\" byte_offset=\"%u\" filename=\"%s\" physical_partition_number=\"%u\" "
		   "size_in_bytes=\"%u\" start_sector=\"%s\" value=\"%s\" what=\"%s\" />\n",
		   f->sector_len, p->at, file, f->lun, p->len, p->sector, p->value, p->what);
}

/* The tables are made for a flash just large enough; on the device both headers are moved apart to its real ends. */
static void emit_patches(const struct flash *f, struct buf *out)
{
	unsigned long long back = gpt_back_len(f->sector_len) / f->sector_len;
	char *last_usable CLEANUP_FREE = mem_printf("NUM_DISK_SECTORS-%llu.", back + 1),
			  *array CLEANUP_FREE = mem_printf("NUM_DISK_SECTORS-%llu.", back);
	char *file_header CLEANUP_FREE = mem_printf("%llu", back - 1);
	char *main_name CLEANUP_FREE = mem_printf("gpt_main%u.bin", f->lun),
			*back_name CLEANUP_FREE = mem_printf("gpt_backup%u.bin", f->lun);
	const char *end = "NUM_DISK_SECTORS-1.";
	char *array_crc CLEANUP_FREE = mem_printf("CRC32(NUM_DISK_SECTORS-%llu.,16384)", back),
			*file_array_crc CLEANUP_FREE = mem_printf("CRC32(0,16384)");
	char *file_crc CLEANUP_FREE = mem_printf("CRC32(%llu,92)", back - 1);
	const struct patch primary[] = {
		{ 48, 8, "1", last_usable, "Update Primary Header with LastUseableLBA." },
		{ 32, 8, "1", end, "Update Primary Header with BackupGPT Header Location." },
		{ 88, 4, "1", "CRC32(2,16384)", "Update Primary Header with CRC of Partition Array." },
		{ 16, 4, "1", "0", "Zero Out Header CRC in Primary Header." },
		{ 16, 4, "1", "CRC32(1,92)", "Update Primary Header with CRC of Primary Header." },
	};
	const struct patch backup[] = {
		{ 48, 8, end, last_usable, "Update Backup Header with LastUseableLBA." },
		{ 24, 8, end, end, "Update Backup Header with CurrentLBA." },
		{ 72, 8, end, array, "Update Backup Header with Partition Array Location." },
		{ 88, 4, end, array_crc, "Update Backup Header with CRC of Partition Array." },
		{ 16, 4, end, "0", "Zero Out Header CRC in Backup Header." },
		{ 16, 4, end, "CRC32(NUM_DISK_SECTORS-1.,92)", "Update Backup Header with CRC of Backup Header." },
	};
	buf_puts(out, "<?xml version=\"1.0\" ?>\n<patches>\n");
	for (size_t i = 0; i < ARRAY_LEN(primary); i++) {
		emit_patch(f, main_name, &primary[i], out);
		emit_patch(f, "DISK", &primary[i], out);
	}
	for (size_t i = 0; i < ARRAY_LEN(backup); i++) {
		struct patch in_file = backup[i];
		in_file.sector = file_header;
		if (in_file.value == array_crc)
			in_file.value = file_array_crc;
		else if (!strncmp(in_file.value, "CRC32(NUM", 9))
			in_file.value = file_crc;
		emit_patch(f, back_name, &in_file, out);
		emit_patch(f, "DISK", &backup[i], out);
	}
	buf_puts(out, "</patches>\n");
}

static int add_text(struct edl *s, const char *prefix, const struct flash *f, const struct buf *text, struct diag *d)
{
	char *name CLEANUP_FREE = mem_printf("%s%u.xml", prefix, f->lun);
	if (buf_error(text))
		return diag_fail(d, MVP0001, NULL, "no memory for the XML of a bundle");
	return zip_add(s->zip.zip, name, 0644, ZIP_DEFLATED, text->data, text->len, d);
}

static int add_table(struct edl *s, const struct flash *f, bool backup, struct diag *d)
{
	uint64_t len = backup ? gpt_back_len(f->sector_len) : gpt_front_len(f->sector_len);
	char *name CLEANUP_FREE = mem_printf("gpt_%s%u.bin", backup ? "backup" : "main", f->lun);
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, len);
	if (image_read(f->frame, backup ? image_len(f->frame) - len : 0, buf, (size_t)len, d) < 0)
		return -1;
	return zip_add(s->zip.zip, name, 0644, ZIP_DEFLATED, buf, (size_t)len, d);
}

static int add_unit(struct edl *s, const struct flash *f, struct diag *d)
{
	struct buf program CLEANUP(buf_fini) = BUF_INIT, patch CLEANUP(buf_fini) = BUF_INIT;
	emit_rawprogram(s, f, &program);
	emit_patches(f, &patch);
	if (add_text(s, "rawprogram", f, &program, d) < 0 || add_text(s, "patch", f, &patch, d) < 0)
		return -1;
	return add_table(s, f, false, d) < 0 ? -1 : add_table(s, f, true, d);
}

static int plan_unit(struct edl *s, unsigned lun, struct diag *d)
{
	for (size_t i = 0; i < s->b->parts_count; i++)
		if (s->b->parts[i].lun == lun)
			return flash_plan(s->b, s->b->oem ? oem_sector_size(s->b->oem) : 512, (int)lun, 0, &s->flash[lun], d);
	return 0;
}

static int edl_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(edl_freep) = mem_new(struct edl);
	struct edl *s = state;
	s->b = b;
	for (unsigned lun = 0; lun < LUNS; lun++)
		if (plan_unit(s, lun, d) < 0)
			return -1;
	if (imgzip_open(b, b->oem ? &b->oem->names.edl : NULL, "{product}-edl-{version}.zip", &s->zip, d) < 0)
		return -1;
	for (size_t i = 0; i < LUNS; i++)
		if (s->flash[i].places_count && add_unit(s, &s->flash[i], d) < 0)
			return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int edl_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct edl *s = state;
	return imgzip_write(&s->zip, part, at, data, len, d);
}

static int edl_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct edl *s = state;
	return imgzip_finish(&s->zip, "edl", outputs, d);
}

static int edl_publish(void *state, struct diag *d)
{
	struct edl *s = state;
	return output_publish(s->zip.out, d);
}

const struct packer packer_edl = {
	.name = "edl",
	.summary = "zip for Qualcomm's emergency download mode: rawprogram and patch XML",
	.plan = edl_plan,
	.write = edl_write,
	.finish = edl_finish,
	.publish = edl_publish,
	.free = edl_free,
};

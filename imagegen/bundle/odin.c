/* Packages for Samsung's Odin: AP, BL, CP and CSC as tar.md5 with LZ4 members, and the partition information table (PIT).
 * CSC holds the personas' disks and the PIT: flashing it makes a new handset of it. HOME_CSC is the same without them, for an update that
 * leaves the personas as they are. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/imgfile.h"
#include "imagegen/bundle/kept.h"
#include "imagegen/bundle/lz4frame.h"
#include "imagegen/bundle/output.h"
#include "imagegen/bundle/pit.h"
#include "imagegen/bundle/prefix.h"
#include "imagegen/bundle/tar.h"
#include "imagegen/oem/carrier.h"

enum archive_id { AP, BL, CP, CSC, HOME_CSC, ARCHIVES };
static const char *const archive_names[ARCHIVES] = { "AP", "BL", "CP", "CSC", "HOME_CSC" };

/* One tar file. A member is open from begin_member to end_member. */
struct archive_out {
	struct output *out; /* NULL: nothing goes into this one */
	char *tar_name;     /* without .md5, as the checksum's line says it */
	uint64_t at;        /* bytes written */
	uint64_t member_at; /* of the open member's header */
	char *member_name;
	bool member_sized; /* its header is written already */
	int64_t epoch;
	struct prefix *sums; /* its digests */
	struct lz4frame *lz4;
	struct kept *kept; /* the open member, packed, in the cache; given: it was found there */
	bool given;
};

/* Members smaller than this come after the larger ones: boot and vbmeta, which an edit of the manifest changes, then stand behind personas,
 * which it does not, and the digests of what comes before them hold. */
#define HELD_LEN ((uint64_t)1 << 20)
#define HELD_MAX ((uint64_t)16 << 20) /* all together */

struct odin {
	const struct bundle *b;
	struct archive_out archives[ARCHIVES];
	struct imgfile *files; /* as many as partitions */
	struct buf *held;      /* as many; images that come last */
	bool *is_held;
	size_t current; /* the partition being written; parts_count before the first */
	struct flash flash;
};

static void odin_free(void *state)
{
	struct odin *s = state;
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_LEN(s->archives); i++) {
		struct archive_out *a = &s->archives[i];
		prefix_free(a->sums);
		output_free(a->out);
		free(a->tar_name);
		free(a->member_name);
		lz4frame_free(a->lz4);
		kept_free(a->kept);
	}
	for (size_t i = 0; s->files && i < s->b->parts_count; i++) {
		imgfile_fini(&s->files[i]);
		buf_fini(&s->held[i]);
	}
	free(s->files);
	free(s->held);
	free(s->is_held);
	flash_fini(&s->flash);
	free(s);
}
DEFINE_FREEP(void, odin_free)

/* Does the partition's image go into this archive? */
static bool belongs(const struct bundle_part *p, size_t archive)
{
	if (p->own)
		return false;
	if (archive == HOME_CSC)
		return !strcmp(p->archive ? p->archive : "AP", "CSC") && !p->persona;
	return !strcmp(p->archive ? p->archive : "AP", archive_names[archive]);
}

static int put(struct archive_out *a, const void *data, size_t len, struct diag *d)
{
	if (output_write(a->out, data, len, a->at, d) < 0)
		return -1;
	prefix_put(a->sums, data, len);
	a->at += len;
	return 0;
}

static int put_zeros_to(struct archive_out *a, uint64_t unit, struct diag *d)
{
	static const uint8_t zeros[TAR_RECORD];
	uint64_t rest = a->at % unit;
	return rest ? put(a, zeros, (size_t)(unit - rest), d) : 0;
}

/* A file that is at hand. */
static int put_file(struct odin *s, size_t archive, const char *name, const void *data, size_t len, struct diag *d)
{
	struct archive_out *a = &s->archives[archive];
	uint8_t header[TAR_BLOCK];
	if (!a->out)
		return 0;
	tar_header(name, len, a->epoch, header);
	prefix_name(a->sums, header, sizeof(header));
	prefix_name(a->sums, data, len);
	return put(a, header, sizeof(header), d) < 0 || put(a, data, len, d) < 0 ? -1 : put_zeros_to(a, TAR_BLOCK, d);
}

static int put_packed(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct archive_out *a = ctx;
	if (put(a, data, len, d) < 0)
		return -1;
	if (a->member_sized)
		prefix_settle(a->sums);
	if (!a->given)
		kept_add(a->kept, data, len);
	return 0;
}

static int put_header(struct archive_out *a, uint64_t len, struct diag *d)
{
	uint8_t header[TAR_BLOCK];
	tar_header(a->member_name, len, a->epoch, header);
	prefix_front(a->sums, header, sizeof(header));
	return output_write(a->out, header, sizeof(header), a->member_at, d);
}

/* Ciphertext does not shrink: it is stored, and the member's header can be written at once. */
static int begin_member(struct archive_out *a, const struct bundle_part *p, uint64_t len, struct cache *cache, struct diag *d)
{
	uint8_t note[KEPT_NOTE_LEN];
	char *how CLEANUP_FREE = mem_printf("frame 1 by LZ4 %s", lz4frame_version());
	const struct sparse_sink sink = { .write = put_packed, .ctx = a };
	char *image CLEANUP_FREE = bundle_image_name(p);
	if (!a->lz4)
		a->lz4 = lz4frame_new();
	free(a->member_name);
	a->member_name = mem_printf("%s.lz4", image);
	a->member_at = a->at;
	a->member_sized = p->encrypted;
	a->at += TAR_BLOCK;
	const struct prefix_member m = { .id = p->id, .name = a->member_name, .len = len, .stored = p->encrypted, .epoch = a->epoch };
	prefix_begin(a->sums, &m, TAR_BLOCK);
	if (a->member_sized && put_header(a, lz4frame_stored_len(len), d) < 0)
		return -1;
	if (!a->member_sized)
		a->kept = kept_open(cache, p, len, how);
	a->given = kept_found(a->kept);
	if (a->given)
		return kept_read(a->kept, put_packed, a, note, d);
	return lz4frame_begin(a->lz4, &sink, len, a->member_sized, d);
}

static int end_member(struct archive_out *a, struct diag *d)
{
	static const uint8_t note[KEPT_NOTE_LEN];
	if (!a->given && lz4frame_end(a->lz4, d) < 0)
		return -1;
	if (!a->given)
		kept_end(a->kept, note);
	kept_freep(&a->kept);
	a->given = false;
	if (!a->member_sized && put_header(a, a->at - a->member_at - TAR_BLOCK, d) < 0)
		return -1;
	prefix_joined(a->sums);
	if (put_zeros_to(a, TAR_BLOCK, d) < 0)
		return -1;
	prefix_end(a->sums);
	return 0;
}

static int hold(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct odin *s = ctx;
	struct buf *b = &s->held[s->current];
	buf_append(b, data, len);
	return buf_error(b) ? diag_fail(d, MVP0001, NULL, "no memory for a small image") : 0;
}

static int sink_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct odin *s = ctx;
	for (size_t i = 0; i < ARRAY_LEN(s->archives); i++)
		if (belongs(&s->b->parts[s->current], i) && !s->archives[i].given && lz4frame_write(s->archives[i].lz4, data, len, d) < 0)
			return -1;
	return 0;
}

/* What the PIT says of a partition. Values are those that real tables have for data partitions. */
static void pit_of(const struct odin *s, const struct flash_place *place, struct pit_entry *e)
{
	const struct bundle_part *p = &s->b->parts[place->part];
	char *image CLEANUP_FREE = bundle_image_name(p);
	*e = (struct pit_entry){
		.binary = p->archive && !strcmp(p->archive, "CP") ? PIT_CP : PIT_AP,
		.device = s->flash.sector_len == 4096 ? PIT_UFS : PIT_MMC,
		.attributes = 5,
		.update_attributes = p->persona ? 5 : 1,
		.start = (uint32_t)(place->at / s->flash.sector_len),
		.count = (uint32_t)(place->len / s->flash.sector_len),
		.lun = p->lun,
	};
	(void)snprintf(e->name, sizeof(e->name), "%.*s", PIT_NAME_LEN, place->name);
	(void)snprintf(e->file, sizeof(e->file), "%s", p->own ? "-" : image);
	(void)snprintf(e->fota, sizeof(e->fota), "%s", p->persona || p->own ? "remained" : "");
}

static void table_entry(const struct odin *s, const char *name, const char *file, uint64_t at, uint64_t len, struct pit_entry *e)
{
	*e = (struct pit_entry){ .device = s->flash.sector_len == 4096 ? PIT_UFS : PIT_MMC,
				 .attributes = 2,
				 .update_attributes = 1,
				 .start = (uint32_t)(at / s->flash.sector_len),
				 .count = (uint32_t)(len / s->flash.sector_len) };
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
	(void)snprintf(e->file, sizeof(e->file), "%s", file);
}

static int make_pit(const struct odin *s, struct buf *out, struct diag *d)
{
	const struct flash *f = &s->flash;
	uint64_t disk = image_len(f->frame), back = gpt_back_len(f->sector_len);
	struct pit pit CLEANUP(pit_fini) = { .tag = "COM_TAR2", .luns = f->sector_len == 4096 ? 1 : 0, .count = f->places_count + 2 };
	(void)snprintf(pit.cpu, sizeof(pit.cpu), "%s", s->b->oem && s->b->oem->odin.cpu.s ? s->b->oem->odin.cpu.s : s->b->board);
	if (disk / f->sector_len > UINT32_MAX)
		return diag_fail(d, MVP0501, NULL,
				 "the flash is too large for a partition information table, which counts blocks in 32 bits");
	pit.entries = mem_array(struct pit_entry, pit.count);
	table_entry(s, "PGPT", "pgpt0.img", 0, gpt_front_len(f->sector_len), &pit.entries[0]);
	for (size_t i = 0; i < f->places_count; i++)
		pit_of(s, &f->places[i], &pit.entries[i + 1]);
	table_entry(s, "SGPT", "sgpt0.img", disk - back, back, &pit.entries[pit.count - 1]);
	for (size_t i = 0; i < pit.count; i++)
		pit.entries[i].id = (uint32_t)(i + 1);
	pit_emit(&pit, out);
	return buf_error(out) ? diag_fail(d, MVP0001, NULL, "no memory for a partition information table") : 0;
}

static int put_table(struct odin *s, const char *name, uint64_t at, uint64_t len, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, len);
	return image_read(s->flash.frame, at, buf, (size_t)len, d) < 0 ? -1 : put_file(s, BL, name, buf, (size_t)len, d);
}

/* Both partition tables of the disk go into BL, the PIT into CSC. */
static int put_tables(struct odin *s, struct diag *d)
{
	const struct bundle *b = s->b;
	uint64_t disk = image_len(s->flash.frame), back = gpt_back_len(s->flash.sector_len);
	struct buf pit CLEANUP(buf_fini) = BUF_INIT;
	char *name CLEANUP_FREE = NULL;
	if (make_pit(s, &pit, d) < 0 || put_table(s, "pgpt0.img", 0, gpt_front_len(s->flash.sector_len), d) < 0 ||
	    put_table(s, "sgpt0.img", disk - back, back, d) < 0)
		return -1;
	name = mem_printf("%s.pit", b->product);
	return put_file(s, CSC, name, pit.data, pit.len, d);
}

/* What the carrier changes, as Samsung's software reads it. */
static int put_carrier(struct odin *s, struct diag *d)
{
	const struct carrier *c = s->b->carrier;
	for (size_t i = CSC; c && i <= HOME_CSC; i++) {
		struct buf feature CLEANUP(buf_fini) = BUF_INIT, customer CLEANUP(buf_fini) = BUF_INIT, apns CLEANUP(buf_fini) = BUF_INIT;
		const char *names[] = { "cscfeature.xml", "customer.xml", "apns-conf.xml" };
		struct buf *texts[] = { &feature, &customer, &apns };
		carrier_emit_cscfeature(c, s->b->version, &feature);
		carrier_emit_customer(c, &customer);
		carrier_emit_apns(c, &apns);
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			char *path CLEANUP_FREE = mem_printf("meta-data/csc/%s/%s", carrier_csc(c), names[k]);
			if (buf_error(texts[k]))
				return diag_fail(d, MVP0001, NULL, "no memory for the carrier's files");
			if (put_file(s, i, path, texts[k]->data, texts[k]->len, d) < 0)
				return -1;
		}
	}
	return 0;
}

static int open_archive(struct odin *s, size_t i, struct diag *d)
{
	const struct bundle *b = s->b;
	struct archive_out *a = &s->archives[i];
	static const char end[] = ".tar.md5";
	char *name CLEANUP_FREE =
		bundle_name(b, b->oem ? &b->oem->names.odin : NULL, "{archive}_{product}_{version}.tar.md5", archive_names[i], d);
	if (!name)
		return -1;
	size_t len = strlen(name);
	if (len < sizeof(end) || strcmp(name + len - (sizeof(end) - 1), end) != 0 || !strstr(name, archive_names[i]))
		return diag_fail(d, MVP0555, b->oem ? &b->oem->names.odin.loc : NULL,
				 "'%s' cannot be the name of an Odin package: expected {archive} in it and .tar.md5 at its end", name);
	a->tar_name = mem_strndup(name, len - strlen(".md5"));
	if (output_open(b->out_dir, name, &a->out, d) < 0)
		return -1;
	a->epoch = b->epoch;
	a->sums = prefix_new(output_fd(a->out), b->cache);
	return 0;
}

static int plan_parts(struct odin *s, bool used[ARCHIVES], struct diag *d)
{
	const struct bundle *b = s->b;
	uint64_t held = 0;
	for (size_t i = 0; i < b->parts_count; i++) {
		const struct bundle_part *p = &b->parts[i];
		char *image CLEANUP_FREE = bundle_image_name(p);
		if (p->slots)
			return diag_fail(d, MVP0553, &p->loc, "Odin packages have no slots, as '%s' has", p->name);
		if (strlen(p->name) >= PIT_NAME_LEN || strlen(image) >= PIT_NAME_LEN || bundle_check_name("image name", image, d) < 0)
			return diag_fail(d, MVP0552, &p->loc, "the name of '%s' or its image is longer than %d characters", p->name,
					 PIT_NAME_LEN - 1);
		if (p->own)
			continue;
		if (imgfile_plan(p, true, &s->files[i], d) < 0)
			return -1;
		s->is_held[i] = s->files[i].len < HELD_LEN && held + s->files[i].len <= HELD_MAX;
		held += s->is_held[i] ? s->files[i].len : 0;
		for (size_t k = 0; k < ARCHIVES; k++)
			used[k] |= belongs(p, k);
	}
	return 0;
}

static int odin_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(odin_freep) = mem_new(struct odin);
	struct odin *s = state;
	/* BL has the partition tables, CSC the PIT, HOME_CSC at least what says that nothing changes. */
	bool used[ARCHIVES] = { [BL] = true, [CSC] = true, [HOME_CSC] = true };
	s->b = b;
	s->current = b->parts_count;
	s->files = mem_array(struct imgfile, b->parts_count);
	s->is_held = mem_array(bool, b->parts_count);
	s->held = mem_array(struct buf, b->parts_count);
	for (size_t i = 0; i < b->parts_count; i++)
		s->held[i] = (struct buf)BUF_MAX(HELD_LEN);
	if (flash_plan(b, b->oem ? oem_sector_size(b->oem) : 512, -1, 0, &s->flash, d) < 0 || plan_parts(s, used, d) < 0)
		return -1;
	for (size_t i = 0; i < ARCHIVES; i++)
		if (used[i] && open_archive(s, i, d) < 0)
			return -1;
	if (put_tables(s, d) < 0 || put_carrier(s, d) < 0)
		return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int begin_members(struct odin *s, struct diag *d)
{
	for (size_t i = 0; i < ARCHIVES; i++)
		if (belongs(&s->b->parts[s->current], i) &&
		    begin_member(&s->archives[i], &s->b->parts[s->current], s->files[s->current].len, s->b->cache, d) < 0)
			return -1;
	return 0;
}

static int end_members(struct odin *s, struct diag *d)
{
	for (size_t i = 0; i < ARCHIVES; i++)
		if (belongs(&s->b->parts[s->current], i) && end_member(&s->archives[i], d) < 0)
			return -1;
	return 0;
}

static int end_part(struct odin *s, struct diag *d)
{
	if (s->current == s->b->parts_count)
		return 0;
	if (imgfile_end(&s->files[s->current], d) < 0)
		return -1;
	return s->is_held[s->current] ? 0 : end_members(s, d);
}

static int begin_part(struct odin *s, size_t part, struct diag *d)
{
	if (end_part(s, d) < 0)
		return -1;
	s->current = part;
	const struct sparse_sink sink = { .write = s->is_held[part] ? hold : sink_write, .ctx = s };
	imgfile_begin(&s->files[part], &sink);
	return s->is_held[part] ? 0 : begin_members(s, d);
}

static int put_held(struct odin *s, struct diag *d)
{
	for (s->current = 0; s->current < s->b->parts_count; s->current++) {
		const struct buf *b = &s->held[s->current];
		if (s->is_held[s->current] && (begin_members(s, d) < 0 || sink_write(s, b->data, b->len, d) < 0 || end_members(s, d) < 0))
			return -1;
	}
	return 0;
}

static int odin_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct odin *s = state;
	if (s->b->parts[part].own)
		return 0;
	if (part != s->current && begin_part(s, part, d) < 0)
		return -1;
	return imgfile_write(&s->files[part], at, data, len, d);
}

static int read_back_failed(const struct archive_out *a, int r, struct diag *d)
{
	return diag_fail(d, MVP0811, &LOC_FILE(output_path(a->out)), "cannot read back: %s", strerror(-r));
}

/* The checksum's line, which the other digest covers, too. */
static int seal(struct archive_out *a, struct bundle_outputs *outputs, struct diag *d)
{
	uint8_t md5[16], sha256[32];
	char hex[33], *line CLEANUP_FREE = NULL;
	int r = prefix_md5(a->sums, md5);
	if (r < 0)
		return read_back_failed(a, r, d);
	line = mem_printf("%s  %s\n", text_hex(md5, sizeof(md5), hex), a->tar_name);
	if (put(a, line, strlen(line), d) < 0)
		return -1;
	r = prefix_sha256(a->sums, sha256);
	return r < 0 ? read_back_failed(a, r, d) : output_done(a->out, "odin", a->at, sha256, outputs, d);
}

static int odin_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	static const uint8_t zeros[2 * TAR_BLOCK];
	struct odin *s = state;
	if (end_part(s, d) < 0 || put_held(s, d) < 0)
		return -1;
	for (size_t i = 0; i < ARCHIVES; i++) {
		struct archive_out *a = &s->archives[i];
		if (a->out && (put(a, zeros, sizeof(zeros), d) < 0 || put_zeros_to(a, TAR_RECORD, d) < 0 || seal(a, outputs, d) < 0))
			return -1;
	}
	return 0;
}

static int odin_publish(void *state, struct diag *d)
{
	struct odin *s = state;
	for (size_t i = 0; i < ARCHIVES; i++)
		if (s->archives[i].out && output_publish(s->archives[i].out, d) < 0)
			return -1;
	return 0;
}

const struct packer packer_odin = {
	.name = "odin",
	.summary = "packages for Samsung's Odin: AP, BL, CP, CSC, HOME_CSC as tar.md5, PIT",
	.plan = odin_plan,
	.write = odin_write,
	.finish = odin_finish,
	.publish = odin_publish,
	.free = odin_free,
};

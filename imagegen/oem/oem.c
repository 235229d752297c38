#include "imagegen/oem/oem.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define FIELD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct oem, member), __VA_ARGS__ \
	}
#define PART(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct oem_part, member), __VA_ARGS__ \
	}
#define SIZE_MAX_TIB .max = (uint64_t)1 << 40
#define PARTS_MAX 96
#define NAME_LEN_MAX 36

const char *const oem_contents[] = { "boot", "vbmeta", "mvp_keys", "mvp_state", "personal", "work", NULL };

static const char *const yes_no[] = { "yes", "no", NULL };
static const char *const storages[] = { "emmc", "ufs", NULL };
static const char *const signings[] = { "none", "avb", NULL };
static const char *const archives[] = { "AP", "BL", "CP", "CSC", NULL };
static const char *const supers[] = { "super", NULL };

static const struct profile_field part_fields[] = {
	PART("name", STR, name, .required = true),
	PART("content", STR, content, .choices = oem_contents),
	PART("file", STR, file),
	PART("optional", STR, optional, .choices = yes_no),
	PART("slots", STR, slots, .choices = yes_no),
	PART("in", STR, in, .choices = supers),
	PART("image", STR, image),
	PART("archive", STR, archive, .choices = archives),
	PART("size", SIZE, size, SIZE_MAX_TIB),
	PART("min-size", SIZE, min_size, SIZE_MAX_TIB),
	PART("lun", NUM, lun, .max = 7),
};
static const struct profile_table part_table = { part_fields, ARRAY_LEN(part_fields), sizeof(struct oem_part) };

static const struct profile_field fields[] = {
	FIELD("oem", NUM, format, .required = true, .min = 1, .max = 1),
	FIELD("name", STR, name, .required = true),
	FIELD("summary", STR, summary),
	FIELD("bundles", STRS, bundles, .required = true),
	FIELD("storage.type", STR, storage.type, .choices = storages),
	FIELD("storage.sector-size", SIZE, storage.sector_size, .min = 512, .max = 4096),
	FIELD("slots", NUM, slots, .min = 1, .max = 2),
	FIELD("boot-header", NUM, boot_header, .min = 2, .max = 4),
	FIELD("signing", STR, signing, .choices = signings),
	FIELD("max-download", SIZE, max_download, .min = 64 * KIB, .max = UINT32_MAX),
	FIELD("partitions", MAPS, parts, .items = &part_table),
	FIELD("super.name", STR, super.name),
	FIELD("super.size", SIZE, super.size, SIZE_MAX_TIB),
	FIELD("super.metadata-size", SIZE, super.metadata_size, .min = 4096, .max = MIB),
	FIELD("super.metadata-slots", NUM, super.metadata_slots, .min = 1, .max = 4),
	FIELD("super.virtual-ab", STR, super.virtual_ab, .choices = yes_no),
	FIELD("odin.cpu", STR, odin.cpu),
	FIELD("kdz.version", NUM, kdz.version, .min = 2, .max = 3),
	FIELD("kdz.model", STR, kdz.model),
	FIELD("kdz.android", STR, kdz.android),
	FIELD("kdz.product", STR, kdz.product),
	FIELD("mtk.platform", STR, mtk.platform),
	FIELD("mtk.project", STR, mtk.project),
	FIELD("ota.device", STR, ota.device),
	FIELD("ota.patch-level", STR, ota.patch_level),
	FIELD("names.disk", STR, names.disk),
	FIELD("names.fastboot", STR, names.fastboot),
	FIELD("names.odin", STR, names.odin),
	FIELD("names.kdz", STR, names.kdz),
	FIELD("names.edl", STR, names.edl),
	FIELD("names.super", STR, names.super),
	FIELD("names.ota", STR, names.ota),
	FIELD("names.mtk", STR, names.mtk),
};

bool oem_is_ufs(const struct oem *o)
{
	return o->storage.type.s && !strcmp(o->storage.type.s, "ufs");
}

uint32_t oem_sector_size(const struct oem *o)
{
	if (o->storage.sector_size.given)
		return (uint32_t)o->storage.sector_size.v;
	return oem_is_ufs(o) ? 4096 : 512;
}

/* Partition names end up in scripts, file names and tables of 32 to 72 bytes. */
static int check_part_name(const struct oem_part *p, const struct oem *o, struct diag *d)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(p->name.s), max = NAME_LEN_MAX - (oem_yes(&p->slots) ? 2 : 0);
	if (len == 0 || len > max || strspn(p->name.s, allowed) != len || p->name.s[0] == '-')
		return diag_fail(d, MVP0552, &p->name.loc,
				 "a partition cannot be named '%s'; expected 1 to %zu letters, digits, '_' or '-'", p->name.s, max);
	for (const struct oem_part *q = oem_part(o, 0); q < p; q++) {
		if (q->name.s && !strcmp(q->name.s, p->name.s))
			return diag_fail(d, MVP0552, &p->name.loc, "two partitions are named '%s'", p->name.s);
		if (q->content.s && p->content.s && !strcmp(q->content.s, p->content.s))
			return diag_fail(d, MVP0552, &p->content.loc, "both '%s' and '%s' hold '%s'", q->name.s, p->name.s, p->content.s);
	}
	return 0;
}

/* Written by the handset while it runs, and found by its name: there is one, and it lies on the flash itself. */
static int check_fixed(const struct oem_part *p, struct diag *d)
{
	if (!p->content.s || !strcmp(p->content.s, "boot") || !strcmp(p->content.s, "vbmeta"))
		return 0;
	if (strcmp(p->name.s, p->content.s) != 0)
		return diag_fail(d, MVP0552, &p->name.loc,
				 "the partition that holds '%s' must be named so: the handset finds it by its name", p->content.s);
	if (oem_yes(&p->slots))
		return diag_fail(d, MVP0553, &p->slots.loc, "'%s' has no slots: the handset writes it", p->name.s);
	if (p->in.s)
		return diag_fail(d, MVP0553, &p->in.loc, "'%s' cannot lie in a super partition: the handset looks for it on the flash",
				 p->name.s);
	return 0;
}

static int check_part(const struct oem *o, const struct oem_part *p, struct diag *d)
{
	uint32_t sector = oem_sector_size(o);
	if (check_part_name(p, o, d) || check_fixed(p, d))
		return -1;
	if (p->content.s && p->file.s)
		return diag_fail(d, MVP0553, &p->file.loc, "'%s' has both a 'content' and a 'file'", p->name.s);
	if (!p->content.s && !p->file.s && !p->size.v)
		return diag_fail(d, MVP0553, &p->loc, "'%s' has neither 'content' nor 'file' nor 'size'", p->name.s);
	if (p->size.v % num_max(sector, 4096) || p->min_size.v % num_max(sector, 4096))
		return diag_fail(d, MVP0553, p->size.given ? &p->size.loc : &p->min_size.loc,
				 "the size of '%s' is not a multiple of 4096 bytes", p->name.s);
	if (p->size.v && p->min_size.v > p->size.v)
		return diag_fail(d, MVP0553, &p->min_size.loc, "'min-size' of '%s' is larger than its 'size'", p->name.s);
	if (oem_yes(&p->slots) && o->slots.v != 2)
		return diag_fail(d, MVP0553, &p->slots.loc, "'%s' has slots, but the profile does not say 'slots: 2'", p->name.s);
	if (p->in.s && !o->super.name.s)
		return diag_fail(d, MVP0553, &p->in.loc, "'%s' lies in a super partition, but the profile has no 'super'", p->name.s);
	if (p->optional.s && !p->file.s)
		return diag_fail(d, MVP0553, &p->optional.loc, "only a partition with a 'file' can be optional");
	if (p->lun.v && !oem_is_ufs(o))
		return diag_fail(d, MVP0553, &p->lun.loc, "only UFS storage has logical units");
	return 0;
}

static int check(const struct oem *o, struct diag *d)
{
	uint32_t sector = oem_sector_size(o);
	int rc = 0;
	if (sector != 512 && sector != 4096)
		rc = diag_fail(d, MVP0553, &o->storage.sector_size.loc, "sectors have 512 or 4096 bytes, not %u", sector);
	if (o->parts.count > PARTS_MAX)
		return diag_fail(d, MVP0553, &o->parts.loc, "%zu partitions; a profile has at most %d", o->parts.count, PARTS_MAX);
	if (o->super.metadata_size.v % 512)
		rc = diag_fail(d, MVP0553, &o->super.metadata_size.loc, "the size of the metadata is not a multiple of 512");
	for (size_t i = 0; i < o->parts.count; i++)
		rc |= check_part(o, oem_part(o, i), d);
	return rc ? -1 : 0;
}

int oem_load_file(const char *path, struct oem **ret_oem, struct diag *d)
{
	struct oem *o CLEANUP(oem_freep) = mem_new(struct oem);
	o->path = mem_strdup(path);
	if (profile_load(o->path, fields, ARRAY_LEN(fields), o, d) || check(o, d))
		return -1;
	if (!o->slots.given)
		o->slots.v = 1;
	*ret_oem = TAKE(o);
	return 0;
}

int oem_load(const struct manifest *m, const struct mstr *name, struct oem **ret_oem, struct diag *d)
{
	char *path CLEANUP_FREE = NULL;
	return profile_find(m, "oem", name, MVP0550, &path, d) ? -1 : oem_load_file(path, ret_oem, d);
}

void oem_free(struct oem *o)
{
	if (!o)
		return;
	profile_fini(fields, ARRAY_LEN(fields), o);
	free(o->path);
	free(o);
}

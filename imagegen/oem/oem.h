/* OEM profiles (templates/oem/NAME.yaml): how a maker's flash is laid out and which bundles its tools take. mvp-oem(5) has the keys. */
#ifndef IMAGEGEN_OEM_H
#define IMAGEGEN_OEM_H

#include "imagegen/hyp/profile.h"

struct oem_part {
	struct loc loc;
	struct mstr name;
	struct mstr content;  /* what of the build it holds; NULL: nothing, or a file */
	struct mstr file;     /* relative to the manifest's folder */
	struct mstr optional; /* "yes": left out of bundles when the file is not there */
	struct mstr slots;    /* "yes": once per slot, as name_a and name_b */
	struct mstr in;       /* "super": a logical partition */
	struct mstr image;    /* its file name in bundles; NULL: name.img */
	struct mstr archive;  /* of an Odin package: AP, BL, CP or CSC; NULL: AP */
	struct mnum size;     /* bytes; 0: as large as the content */
	struct mnum min_size; /* bytes */
	struct mnum lun;      /* logical unit of UFS storage */
};

struct oem {
	char *path; /* locs name it */
	struct mnum format;
	struct mstr name, summary;
	struct mstrs bundles; /* packers */
	struct {
		struct mstr type; /* "emmc" or "ufs" */
		struct mnum sector_size;
	} storage;
	struct mnum slots;         /* 1, or 2: A and B */
	struct mnum boot_header;   /* of Android boot images */
	struct mstr signing;       /* "none" or "avb" */
	struct mnum max_download;  /* bytes that a bootloader takes at once; 0: no limit */
	struct profile_maps parts; /* struct oem_part, in the order of the flash */
	struct {
		struct mstr name; /* of the partition; NULL: there is none */
		struct mnum size, metadata_size, metadata_slots;
		struct mstr virtual_ab;
	} super;
	struct {
		struct mstr cpu; /* tag in the PIT's header */
	} odin;
	struct {
		struct mnum version; /* of the container: 2 or 3 */
		struct mstr model, android, product;
	} kdz;
	struct {
		struct mstr platform, project;
	} mtk;
	struct {
		struct mstr device, patch_level;
	} ota;
	struct {
		struct mstr disk, fastboot, odin, kdz, edl, super, ota, mtk; /* templates of file names */
	} names;
};

MUST_USE int oem_load(const struct manifest *m, const struct mstr *name, struct oem **ret_oem, struct diag *d);
/* The same of a file. */
MUST_USE int oem_load_file(const char *path, struct oem **ret_oem, struct diag *d);
void oem_free(struct oem *o);
DEFINE_FREEP(struct oem, oem_free)

static inline size_t oem_parts_count(const struct oem *o)
{
	return o->parts.count;
}
static inline const struct oem_part *oem_part(const struct oem *o, size_t i)
{
	return (const struct oem_part *)o->parts.v + i;
}
static inline bool oem_yes(const struct mstr *s)
{
	return s->s && s->s[0] == 'y';
}
bool oem_is_ufs(const struct oem *o);
uint32_t oem_sector_size(const struct oem *o); /* 512 unless the profile says otherwise or the storage is UFS */

/* What the build makes, and a partition of a profile may hold as its content. */
extern const char *const oem_contents[]; /* NULL-terminated */

#endif

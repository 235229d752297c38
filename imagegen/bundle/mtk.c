/* Package for MediaTek's flashing tools: a zip with a scatter file (V1.1.2, a restricted YAML), which says where each image goes, and the
 * images. The preloader and what else lies outside the user area is the maker's and not part of it; the tool makes the partition tables
 * from the scatter file. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/imgzip.h"

/* Addresses from here on are places counted from the flash's end, which the tool finds. */
#define FROM_END 0xffff0000u
#define BLOCK 0x20000u /* a unit of the tools, not of the flash */

struct mtk {
	const struct bundle *b;
	struct imgzip zip;
	struct flash flash;
};

static void mtk_free(void *state)
{
	struct mtk *s = state;
	if (!s)
		return;
	imgzip_fini(&s->zip);
	flash_fini(&s->flash);
	free(s);
}
DEFINE_FREEP(void, mtk_free)

struct entry {
	const char *name, *file; /* file NULL: nothing is written there */
	const char *type, *operation;
	uint64_t at, len;
	bool reserved;
};

static void emit_entry(const struct mtk *s, size_t index, const struct entry *e, struct buf *out)
{
	bool ufs = s->b->oem && oem_is_ufs(s->b->oem);
	buf_printf(out, "- partition_index: SYS%zu\n  partition_name: %s\n  file_name: %s\n  is_download: %s\n  type: %s\n", index, e->name,
		   e->file ? e->file : "NONE", e->file ? "true" : "false", e->type);
	buf_printf(out, "  linear_start_addr: 0x%llx\n  physical_start_addr: 0x%llx\n  partition_size: 0x%llx\n", (unsigned long long)e->at,
		   (unsigned long long)e->at, (unsigned long long)e->len);
	buf_printf(out, "  region: %s\n  storage: %s\n  boundary_check: true\n  is_reserved: %s\n  operation_type: %s\n",
		   ufs ? "UFS_LU2" : "EMMC_USER", ufs ? "HW_STORAGE_UFS" : "HW_STORAGE_EMMC", e->reserved ? "true" : "false", e->operation);
	buf_printf(out, "  is_upgradable: %s\n  empty_boot_needed: false\n  combo_partsize_check: false\n  reserve: 0x00\n",
		   e->file ? "true" : "false");
}

static void emit_scatter(const struct mtk *s, struct buf *out)
{
	const struct oem *o = s->b->oem;
	bool ufs = o && oem_is_ufs(o);
	uint64_t front = gpt_front_len(s->flash.sector_len), back = gpt_back_len(s->flash.sector_len);
	const struct entry first = { .name = "pgpt", .type = "NORMAL_ROM", .operation = "INVISIBLE", .len = front };
	const struct entry last = {
		.name = "sgpt", .type = "NORMAL_ROM", .operation = "RESERVED", .at = FROM_END, .len = back, .reserved = true
	};
	buf_puts(out, "# Where each image of this package goes.\n- general: MTK_PLATFORM_CFG\n  info:\n    - config_version: V1.1.2\n");
	buf_printf(out, "      platform: %s\n      project: %s\n      storage: %s\n      boot_channel: %s\n      block_size: 0x%x\n",
		   o->mtk.platform.s, o->mtk.project.s ? o->mtk.project.s : s->b->product, ufs ? "UFS" : "EMMC", ufs ? "UFS_0" : "MSDC_0",
		   BLOCK);
	emit_entry(s, 0, &first, out);
	for (size_t i = 0; i < s->flash.places_count; i++) {
		const struct flash_place *place = &s->flash.places[i];
		const struct bundle_part *p = &s->b->parts[place->part];
		char *image CLEANUP_FREE = p->own ? NULL : bundle_image_name(p);
		const struct entry e = { .name = place->name,
					 .file = image,
					 .type = image && imgzip_is_sparse(&s->zip, place->part) ? "EXT4_IMG" : "NORMAL_ROM",
					 .operation = image ? "UPDATE" : "PROTECTED",
					 .at = place->at,
					 .len = place->len };
		emit_entry(s, i + 1, &e, out);
	}
	emit_entry(s, s->flash.places_count + 1, &last, out);
}

static int add_scatter(struct mtk *s, struct diag *d)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT;
	char *name CLEANUP_FREE = mem_printf("%s_Android_scatter.txt", s->b->oem->mtk.platform.s);
	if (bundle_check_name("platform", s->b->oem->mtk.platform.s, d) < 0 ||
	    (s->b->oem->mtk.project.s && bundle_check_name("project", s->b->oem->mtk.project.s, d) < 0))
		return -1;
	emit_scatter(s, &text);
	if (buf_error(&text))
		return diag_fail(d, MVP0001, NULL, "no memory for the scatter file of a bundle");
	return zip_add(s->zip.zip, name, 0644, ZIP_DEFLATED, text.data, text.len, d);
}

static int mtk_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(mtk_freep) = mem_new(struct mtk);
	struct mtk *s = state;
	s->b = b;
	if (!b->oem || !b->oem->mtk.platform.s)
		return diag_fail(d, MVP0553, b->oem ? &b->oem->name.loc : NULL,
				 "the bundle format 'mtk' needs 'mtk.platform' in the profile");
	for (size_t i = 0; i < b->parts_count; i++)
		if (b->parts[i].lun)
			return diag_fail(d, MVP0553, &b->parts[i].loc,
					 "the bundle format 'mtk' has all partitions in one unit of the storage");
	if (flash_plan(b, oem_sector_size(b->oem), -1, 0, &s->flash, d) < 0 ||
	    imgzip_open(b, &b->oem->names.mtk, "{product}-mtk-{version}.zip", &s->zip, d) < 0 || add_scatter(s, d) < 0)
		return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int mtk_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct mtk *s = state;
	return imgzip_write(&s->zip, part, at, data, len, d);
}

static int mtk_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct mtk *s = state;
	return imgzip_finish(&s->zip, "mtk", outputs, d);
}

static int mtk_publish(void *state, struct diag *d)
{
	struct mtk *s = state;
	return output_publish(s->zip.out, d);
}

const struct packer packer_mtk = {
	.name = "mtk",
	.summary = "zip for MediaTek's flashing tools: scatter file and images",
	.plan = mtk_plan,
	.write = mtk_write,
	.finish = mtk_finish,
	.publish = mtk_publish,
	.free = mtk_free,
};

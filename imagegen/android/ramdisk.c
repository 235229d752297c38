/* Rules: AOSP, "Boot image header" and "Vendor boot partitions" (source.android.com), system/tools/mkbootimg; the trailer of the boot
 * configuration: Linux, Documentation/admin-guide/bootconfig.rst. */
#include "imagegen/android/ramdisk.h"

#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/vendor.h"

#define SECTION_MAX ((uint64_t)256 << 20)
#define RAMDISK_MAX ((size_t)512 << 20)
#define BOOTCONFIG_MAGIC "#BOOTCONFIG\n"

static int read_section(const struct named_image *from, const struct bootimg_section *s, struct buf *to, struct diag *d)
{
	if (s->len > SECTION_MAX)
		return diag_fail(d, MVP0333, from->loc, "'%s' holds a kernel or ramdisk of %llu bytes", from->label,
				 (unsigned long long)s->len);
	if (s->len == 0)
		return 0;
	uint8_t *place = buf_reserve(to, (size_t)s->len);
	if (!place)
		return diag_fail(d, MVP0333, from->loc, "the ramdisks are larger than %zu MiB together", RAMDISK_MAX >> 20);
	return image_read(from->img, s->at, place, (size_t)s->len, d);
}

/* The bootloader adds its own parameters to the boot configuration, and then this. */
static int add_bootconfig(const struct named_image *vendor, const struct bootimg_section *s, struct buf *ramdisk, struct diag *d)
{
	if (s->len == 0)
		return 0;
	size_t start = ramdisk->len;
	if (read_section(vendor, s, ramdisk, d) < 0)
		return -1;
	/* "The total file size is aligned to 4 bytes": the padding counts as configuration. */
	(void)buf_align(ramdisk, 4);
	if (buf_error(ramdisk))
		return diag_fail(d, MVP0333, vendor->loc, "the ramdisks are larger than %zu MiB together", RAMDISK_MAX >> 20);
	uint32_t sum = 0;
	for (size_t i = start; i < ramdisk->len; i++)
		sum += ramdisk->data[i];
	(void)buf_le32(ramdisk, (uint32_t)(ramdisk->len - start));
	(void)buf_le32(ramdisk, sum);
	(void)buf_puts(ramdisk, BOOTCONFIG_MAGIC);
	return 0;
}

static int add_vendor(const struct named_image *vendor, const struct vendor_boot *v, struct buf *ramdisk, struct diag *d)
{
	for (size_t i = 0; i < v->ramdisks_count; i++)
		if (v->ramdisks[i].type != VENDOR_RAMDISK_RECOVERY && read_section(vendor, &v->ramdisks[i].section, ramdisk, d) < 0)
			return -1;
	return 0;
}

/* The image that has the generic ramdisk. */
static int choose_generic(const struct named_image *boot, const struct bootimg_info *b, const struct named_image *init,
			  const struct bootimg_info *i, const struct named_image **ret_from, struct bootimg_section *ret, struct diag *d)
{
	*ret_from = boot;
	*ret = (struct bootimg_section){ b->ramdisk_at, b->ramdisk_len };
	if (!init->img)
		return 0;
	if (i->kernel_len > 0 || i->version < 4)
		return diag_fail(d, MVP0333, init->loc, "'%s' is no init_boot: that has header version 4 and no kernel", init->label);
	if (b->ramdisk_len > 0)
		return diag_fail(d, MVP0333, init->loc, "both '%s' and '%s' bring the generic ramdisk", boot->label, init->label);
	*ret_from = init;
	*ret = (struct bootimg_section){ i->ramdisk_at, i->ramdisk_len };
	return 0;
}

/* The vendor's words come first; a boot configuration is only looked for when the command line says so. */
static char *join_cmdline(const struct bootimg_info *b, const struct vendor_boot *v)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT;
	(void)buf_puts(&line, v ? v->cmdline : "");
	if (b->cmdline[0] != '\0')
		(void)buf_printf(&line, "%s%s", line.len ? " " : "", b->cmdline);
	if (v && v->bootconfig.len > 0 && !strstr(buf_str(&line), "bootconfig"))
		(void)buf_printf(&line, "%sbootconfig", line.len ? " " : "");
	return mem_strdup(buf_str(&line));
}

int ramdisk_compose(const struct named_image *boot, const struct named_image *init_boot, const struct named_image *vendor_boot,
		    struct android *ret, struct diag *d)
{
	struct bootimg_info b, i = { 0 };
	struct vendor_boot *v CLEANUP_FREE = vendor_boot->img ? mem_new(struct vendor_boot) : NULL;
	struct buf kernel CLEANUP(buf_fini) = BUF_MAX(SECTION_MAX), ramdisk CLEANUP(buf_fini) = BUF_MAX(RAMDISK_MAX);
	const struct named_image *generic_from;
	struct bootimg_section generic;
	if (bootimg_read(boot->img, boot->label, &b, d) < 0 ||
	    (init_boot->img && bootimg_read(init_boot->img, init_boot->label, &i, d) < 0) ||
	    (v && vendor_boot_read(vendor_boot->img, vendor_boot->label, v, d) < 0))
		return -1;
	if (b.kernel_len == 0)
		return diag_fail(d, MVP0333, boot->loc, "'%s' holds no kernel", boot->label);
	if (v && b.version < 3)
		return diag_fail(d, MVP0333, vendor_boot->loc, "'%s' has header version %u, which knows no vendor_boot", boot->label,
				 b.version);
	if (choose_generic(boot, &b, init_boot, &i, &generic_from, &generic, d) < 0)
		return -1;
	const struct bootimg_section kernel_section = { b.kernel_at, b.kernel_len };
	if (read_section(boot, &kernel_section, &kernel, d) < 0 || (v && add_vendor(vendor_boot, v, &ramdisk, d) < 0) ||
	    read_section(generic_from, &generic, &ramdisk, d) < 0 || (v && add_bootconfig(vendor_boot, &v->bootconfig, &ramdisk, d) < 0))
		return -1;
	if (buf_error(&ramdisk))
		return diag_fail(d, MVP0333, boot->loc, "the ramdisks are larger than %zu MiB together", RAMDISK_MAX >> 20);
	ret->cmdline = join_cmdline(&b, v);
	ret->os_version = b.os_version ? b.os_version : i.os_version;
	ret->kernel = buf_take(&kernel, &ret->kernel_len);
	if (ramdisk.len > 0)
		ret->ramdisk = buf_take(&ramdisk, &ret->ramdisk_len);
	return 0;
}

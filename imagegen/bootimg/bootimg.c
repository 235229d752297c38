#include "imagegen/bootimg/bootimg.h"

#include <endian.h>
#include <libfdt.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "mvp/bootimg.h"

#define PAGE MVP_BOOTIMG_PAGE
/* Kernel and ramdisk together; far above any phone's, and the file stays below what a 32-bit bootloader can address. */
#define CONTENT_MAX GIB

/* Version 2 (AOSP bootimg.h). Pages as in later versions; no second stage, no overlays. It has to have a device tree: ours is empty, since
 * the hypervisor knows its board. */
struct header_v2 {
	uint8_t magic[MVP_BOOTIMG_MAGIC_LEN];
	uint32_t kernel_size, kernel_addr, ramdisk_size, ramdisk_addr, second_size, second_addr, tags_addr, page_size, header_version,
		os_version;
	uint8_t name[16];
	uint8_t cmdline[512];
	uint32_t id[8];
	uint8_t extra_cmdline[1024];
	uint32_t recovery_dtbo_size;
	uint64_t recovery_dtbo_offset;
	uint32_t header_size, dtb_size;
	uint64_t dtb_addr;
} __attribute__((packed));
_Static_assert(sizeof(struct header_v2) == 1660, "boot image header, version 2");

/* SHA-1 of each section and its length: what mkbootimg makes it of, and nothing but names the image by it. */
static void add_to_id(EVP_MD_CTX *md, const uint8_t *data, size_t len)
{
	uint32_t len_le = htole32((uint32_t)len);
	if ((len && EVP_DigestUpdate(md, data, len) != 1) || EVP_DigestUpdate(md, &len_le, sizeof(len_le)) != 1)
		abort();
}

enum { DTB_MAX = 256 };

static size_t empty_dtb(uint8_t buf[DTB_MAX])
{
	if (fdt_create_empty_tree(buf, DTB_MAX) || fdt_pack(buf))
		abort();
	return fdt_totalsize(buf);
}

static void emit_v2(const struct bootimg_parts *parts, size_t cmdline_len, const uint8_t *dtb, size_t dtb_len, uint8_t *out)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	struct header_v2 h = {
		.kernel_size = htole32((uint32_t)parts->kernel_len),
		.kernel_addr = htole32(parts->load),
		.ramdisk_size = htole32((uint32_t)parts->ramdisk_len),
		.page_size = htole32(PAGE),
		.header_version = htole32(2),
		.os_version = htole32(parts->os_version),
		.header_size = htole32(sizeof(h)),
		.dtb_size = htole32((uint32_t)dtb_len),
	};
	/* As mkbootimg has it: a full first field has no NUL. */
	size_t first = num_min(cmdline_len, sizeof(h.cmdline));
	memcpy(h.magic, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN);
	if (cmdline_len) {
		memcpy(h.cmdline, parts->cmdline, first);
		memcpy(h.extra_cmdline, parts->cmdline + first, cmdline_len - first);
	}
	if (!md || EVP_DigestInit_ex(md, EVP_sha1(), NULL) != 1)
		abort();
	add_to_id(md, parts->kernel, parts->kernel_len);
	add_to_id(md, parts->ramdisk, parts->ramdisk_len);
	add_to_id(md, NULL, 0); /* second stage */
	add_to_id(md, NULL, 0); /* recovery overlays */
	add_to_id(md, dtb, dtb_len);
	if (EVP_DigestFinal_ex(md, (unsigned char *)h.id, NULL) != 1)
		abort();
	memcpy(out, &h, sizeof(h));
}

static void emit_v4(const struct bootimg_parts *parts, size_t cmdline_len, uint8_t *out)
{
	struct mvp_bootimg_v4 h = {
		.kernel_size = htole32((uint32_t)parts->kernel_len),
		.ramdisk_size = htole32((uint32_t)parts->ramdisk_len),
		.os_version = htole32(parts->os_version),
		.header_size = htole32(MVP_BOOTIMG_V4_SIZE),
		.header_version = htole32(4),
	};
	memcpy(h.magic, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN);
	if (cmdline_len)
		memcpy(h.cmdline, parts->cmdline, cmdline_len);
	memcpy(out, &h, sizeof(h));
}

int bootimg_compose(const struct bootimg_parts *parts, struct image **ret_img, struct diag *d)
{
	size_t cmdline_len = parts->cmdline ? strlen(parts->cmdline) : 0;
	if (cmdline_len >= MVP_BOOTIMG_CMDLINE)
		return diag_fail(d, MVP0505, NULL, "the kernel's command line has %zu bytes; a boot image holds %d", cmdline_len,
				 MVP_BOOTIMG_CMDLINE - 1);
	if (parts->kernel_len > CONTENT_MAX || parts->ramdisk_len > CONTENT_MAX)
		return diag_fail(d, MVP0505, NULL, "a kernel of %zu bytes or a ramdisk of %zu is too large for a boot image",
				 parts->kernel_len, parts->ramdisk_len);
	size_t ramdisk_at = PAGE + align_up(parts->kernel_len, PAGE);
	uint8_t dtb[DTB_MAX];
	size_t dtb_at = ramdisk_at + align_up(parts->ramdisk_len, PAGE), dtb_len = parts->header == 2 ? empty_dtb(dtb) : 0;
	size_t len = dtb_at + align_up(dtb_len, PAGE);
	uint8_t *out = mem_try_large(len);
	if (!out)
		return diag_fail(d, MVP0505, NULL, "no memory for a boot image of %zu bytes", len);
	memset(out, 0, len);
	if (parts->header == 2)
		emit_v2(parts, cmdline_len, dtb, dtb_len, out);
	else
		emit_v4(parts, cmdline_len, out);
	if (parts->kernel_len)
		memcpy(out + PAGE, parts->kernel, parts->kernel_len);
	if (parts->ramdisk_len)
		memcpy(out + ramdisk_at, parts->ramdisk, parts->ramdisk_len);
	if (dtb_len)
		memcpy(out + dtb_at, dtb, dtb_len);
	*ret_img = image_mem(out, len);
	return 0;
}

#include "imagegen/inspect/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/device/device.h"
#include "imagegen/lp/lp.h"
#include "imagegen/sparse/reader.h"

#define HEAD_LEN 8192u
#define LP_GEOMETRY 0x616c4467u /* at byte 4096 of a super partition */
#define PROPERTIES_MAX 256u
#define DEPTH_MAX 3 /* handset, persona, and a partition table inside that by mistake */

const char *inspect_kind_name(enum inspect_kind kind)
{
	static const char *const names[] = {
		[INSPECT_DATA] = "data",
		[INSPECT_EMPTY] = "empty",
		[INSPECT_GPT] = "GPT disk",
		[INSPECT_BOOTIMG] = "Android boot image",
		[INSPECT_LUKS2] = "LUKS2 container",
		[INSPECT_EXT4] = "ext4 file system",
		[INSPECT_KERNEL] = "arm64 kernel",
		[INSPECT_IDENTITY] = "device identity",
		[INSPECT_STATE] = "device journal",
		[INSPECT_VBMETA] = "vbmeta image",
		[INSPECT_SUPER] = "super partition",
	};
	return names[kind];
}

int inspect_open(const char *path, struct image **ret_img, struct diag *d)
{
	int r = image_open(path, ret_img);
	if (r == -ENOTBLK) {
		(void)diag_fail(d, MVP0009, &LOC_FILE(path), "neither a file nor a disk");
		diag_hint(d, "of a folder, name the file in it: an image, a bundle or a manifest");
		return -1;
	}
	return r < 0 ? diag_fail(d, MVP0009, &LOC_FILE(path), "cannot read the file: %s", strerror(-r)) : 0;
}

static uint64_t data_bytes(const struct image *img)
{
	uint64_t sum = 0;
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		if (e.data)
			sum += e.at + e.len - at;
		at = e.at + e.len;
	}
	return sum;
}

/* The superblock of ext2, 3 and 4 (Linux, Documentation/filesystems/ext4/super.rst) is 1024 bytes in. */
static bool read_ext4(const uint8_t *head, size_t len, struct inspect *ret)
{
	const uint8_t *sb = head + 1024;
	if (len < 2048 || get_le16(sb + 0x38) != 0xef53 || get_le32(sb + 0x18) > 6)
		return false;
	bool wide = get_le32(sb + 0x60) & 0x80; /* INCOMPAT_64BIT */
	ret->ext4.block_len = 1024u << get_le32(sb + 0x18);
	ret->ext4.blocks = get_le32(sb + 0x04) | (wide ? (uint64_t)get_le32(sb + 0x150) << 32 : 0);
	ret->ext4.free_blocks = get_le32(sb + 0x0c) | (wide ? (uint64_t)get_le32(sb + 0x158) << 32 : 0);
	memcpy(ret->ext4.uuid, sb + 0x68, 16);
	memcpy(ret->ext4.label, sb + 0x78, 16);
	ret->ext4.label[16] = 0;
	ret->kind = INSPECT_EXT4;
	return true;
}

static int read_identity(struct image *img, const char *label, struct inspect *ret, struct diag *d)
{
	const char *fault;
	struct loc loc = LOC_FILE(label);
	if (device_identity_read(img, &ret->identity, &fault, d) < 0)
		return -1;
	if (fault)
		return diag_fail(d, MVP1010, &loc, "the device's identity cannot be read: %s", fault);
	ret->kind = INSPECT_IDENTITY;
	return 0;
}

static int read_kind(struct image *img, const char *label, unsigned depth, struct inspect *ret, struct diag *d);

/* What is inside a partition is not the disk's fault: its errors become warnings, as what it warns of is one. */
static void look_inside(struct image *img, const char *label, unsigned depth, struct inspect *ret, struct diag *d)
{
	struct diag *inner CLEANUP(diag_freep) = diag_new();
	if (read_kind(img, label, depth, ret, inner) == 0) {
		diag_merge(d, TAKE(inner));
		return;
	}
	uint64_t len = ret->len, data_len = ret->data_len;
	inspect_fini(ret);
	*ret = (struct inspect){ .kind = INSPECT_DATA, .len = len, .data_len = data_len };
	for (size_t i = 0; i < diag_count(inner); i++) {
		const struct diag_item *it = diag_get(inner, i);
		diag_warn(d, it->code, &it->loc, "%s", it->message);
	}
}

static int read_gpt(struct image *img, const char *label, unsigned depth, struct inspect *ret, struct diag *d)
{
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count = 0;
	if (gpt_read(img, label, &entries, &count, d) < 0)
		return -1;
	ret->kind = INSPECT_GPT;
	ret->parts = mem_array(struct inspect_part, count);
	ret->parts_count = count;
	for (size_t i = 0; i < count; i++) {
		struct inspect_part *p = &ret->parts[i];
		p->entry = entries[i];
		struct image *slice CLEANUP(image_freep) = image_slice(img, entries[i].at, entries[i].len);
		char *name CLEANUP_FREE = mem_printf("%s:%s", label, entries[i].name);
		look_inside(slice, name, depth + 1, &p->content, d);
	}
	return 0;
}

static int read_super(struct image *img, const char *label, unsigned depth, struct inspect *ret, struct diag *d)
{
	struct lp *lp CLEANUP(lp_freep) = NULL;
	size_t count;
	if (lp_read(img, label, &lp, d) < 0)
		return -1;
	const struct lp_partition *v = lp_partitions(lp, &count);
	ret->kind = INSPECT_SUPER;
	ret->parts = mem_array(struct inspect_part, count);
	for (size_t i = 0; i < count; i++) {
		struct inspect_part *p = &ret->parts[ret->parts_count++];
		struct image *content CLEANUP(image_freep) = NULL;
		char *name CLEANUP_FREE = mem_printf("%s:%s", label, v[i].name);
		(void)snprintf(p->entry.name, sizeof(p->entry.name), "%s", v[i].name);
		p->entry.len = v[i].len;
		p->content.kind = INSPECT_EMPTY;
		if (!v[i].len)
			continue;
		if (lp_image(lp, &v[i], &content, d) < 0)
			return -1;
		look_inside(content, name, depth + 1, &p->content, d);
	}
	return 0;
}

static char *printable(const uint8_t *text, size_t len)
{
	char *s = mem_strndup((const char *)text, len);
	for (char *p = s; *p; p++)
		*p = *p < 0x20 || *p > 0x7e ? '?' : *p;
	return s;
}

/* avb_next() has checked the length of the key, not that of the value; both are followed by a zero. */
static void add_property(struct inspect *ret, const struct avb_descriptor *x)
{
	uint64_t key_len = get_be64(x->data + 16), value_len = get_be64(x->data + 24), room = x->len - 32;
	if (ret->properties_count == PROPERTIES_MAX || key_len >= room || value_len >= room - key_len)
		return;
	mem_grow((void **)&ret->properties, ret->properties_count, &ret->properties_cap, sizeof(*ret->properties));
	ret->properties[ret->properties_count++] = (struct inspect_property){
		.key = printable(x->data + 32, (size_t)key_len),
		.value = printable(x->data + 32 + key_len + 1, (size_t)value_len),
	};
}

static int read_vbmeta(const struct image *img, const char *label, struct inspect *ret, struct diag *d)
{
	size_t len = (size_t)num_min(image_len(img), AVB_VBMETA_MAX);
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, len);
	struct avb_descriptor x;
	struct buf names CLEANUP(buf_fini) = BUF_INIT;
	size_t at = 0;
	int rc;
	ret->kind = INSPECT_VBMETA;
	if (image_read(img, 0, data, len, d) < 0 || avb_read(data, len, label, &ret->vbmeta, d) < 0)
		return -1;
	const uint8_t *from = data + ret->vbmeta.descriptors_at;
	while (!(rc = avb_next(from, (size_t)ret->vbmeta.descriptors_len, &at, &x, label, d))) {
		if (x.tag == AVB_TAG_HASH || x.tag == AVB_TAG_HASHTREE || x.tag == AVB_TAG_CHAIN)
			buf_printf(&names, "%s%s", names.len ? ", " : "", x.partition);
		if (x.tag == AVB_TAG_PROPERTY)
			add_property(ret, &x);
	}
	ret->vouches = printable((const uint8_t *)buf_str(&names), names.len);
	return rc < 0 ? -1 : 0;
}

/* depth is bounded by DEPTH_MAX, so is the recursion through partitions. */
static int read_kind(struct image *img, const char *label, unsigned depth, struct inspect *ret, struct diag *d)
{
	uint8_t head[HEAD_LEN] = { 0 };
	uint64_t len = image_len(img);
	size_t head_len = (size_t)num_min(len, sizeof(head));
	*ret = (struct inspect){ .len = len, .data_len = data_bytes(img) };
	if (image_read(img, 0, head, head_len, d) < 0)
		return -1;
	if (ret->data_len == 0) {
		ret->kind = INSPECT_EMPTY;
		return 0;
	}
	if (head_len >= 520 && memcmp(head + 512, "EFI PART", 8) == 0 && depth < DEPTH_MAX)
		return read_gpt(img, label, depth, ret, d);
	if (head_len >= 4100 && get_le32(head + 4096) == LP_GEOMETRY && depth < DEPTH_MAX)
		return read_super(img, label, depth, ret, d);
	if (head_len >= 256 && memcmp(head, "AVB0", 4) == 0)
		return read_vbmeta(img, label, ret, d);
	if (head_len >= 8 && memcmp(head, "ANDROID!", 8) == 0) {
		ret->kind = INSPECT_BOOTIMG;
		return bootimg_read(img, label, &ret->boot, d);
	}
	if (luks2_is(img)) {
		ret->kind = INSPECT_LUKS2;
		return luks2_read_info(img, label, &ret->luks2, d);
	}
	if (head_len >= 8 && memcmp(head, MVP_IDENTITY_MAGIC, 8) == 0)
		return read_identity(img, label, ret, d);
	if (head_len >= 8 && memcmp(head, MVP_STATE_MAGIC, 8) == 0) {
		ret->kind = INSPECT_STATE;
		return 0;
	}
	if (read_ext4(head, head_len, ret))
		return 0;
	if (head_len >= 64 && memcmp(head + 56, "ARM\x64", 4) == 0)
		ret->kind = INSPECT_KERNEL;
	return 0;
}

int inspect_image(struct image *img, const char *label, struct inspect *ret, struct diag *d)
{
	uint8_t head[4] = { 0 };
	struct image *whole CLEANUP(image_freep) = NULL;
	if (image_read(img, 0, head, (size_t)num_min(image_len(img), sizeof(head)), d) < 0)
		return -1;
	bool sparse = sparse_is(head, sizeof(head));
	if (sparse && sparse_read(img, label, &whole, d) < 0)
		return -1;
	int rc = read_kind(sparse ? whole : img, label, 0, ret, d);
	ret->sparse = sparse;
	if (rc)
		inspect_fini(ret);
	return rc;
}

void inspect_fini(struct inspect *i)
{
	for (size_t p = 0; p < i->parts_count; p++)
		inspect_fini(&i->parts[p].content);
	for (size_t p = 0; p < i->properties_count; p++) {
		free(i->properties[p].key);
		free(i->properties[p].value);
	}
	free(i->properties);
	free(i->parts);
	free(i->vouches);
	*i = (struct inspect){ 0 };
}

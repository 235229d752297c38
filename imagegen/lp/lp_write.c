#include "imagegen/lp/lp_write.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"

#define SECTOR 512u
#define RESERVED_LEN 4096u /* in front of the geometry, for boot sectors */
#define GEOMETRY_LEN 4096u
#define GEOMETRY_USED 52u
#define BLOCK_LEN 4096u
#define ALIGN MIB
#define HEADER_LEN 128u
#define HEADER_LEN_FLAGS 256u /* from minor version 2 on */
#define FLAG_VIRTUAL_AB 1u

static void put_name(struct buf *b, const char *s)
{
	size_t n = strnlen(s, LP_NAME_MAX);
	buf_append(b, s, n);
	buf_zeros(b, LP_NAME_MAX - n);
}

static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
	if (!SHA256(data, len, ret))
		abort();
}

static uint64_t first_byte(const struct lp_opts *o)
{
	return align_up(RESERVED_LEN + 2 * (GEOMETRY_LEN + (uint64_t)o->metadata_len * o->slots), ALIGN);
}

static uint64_t part_len(const struct lp_new *p)
{
	return p->img ? align_up(image_len(p->img), BLOCK_LEN) : 0;
}

static int check_name(const char *name, const struct lp_opts *o, struct diag *d)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(name);
	if (len == 0 || len > LP_NAME_MAX || strspn(name, allowed) != len)
		return diag_fail(d, MVP0552, &o->loc, "'%s' cannot be a name in a super partition: 1 to %d letters, digits, '_' or '-'",
				 name, LP_NAME_MAX);
	return 0;
}

/* Where each partition begins; *ret_end is where the last one ends. */
static int place(const struct lp_opts *o, uint64_t *at, uint64_t *ret_end, struct diag *d)
{
	uint64_t end = first_byte(o);
	uint64_t *group_len CLEANUP_FREE = mem_array(uint64_t, o->groups_count + 1);
	for (size_t i = 0; i < o->parts_count; i++) {
		const struct lp_new *p = &o->parts[i];
		char a[TEXT_SIZE_LEN], b[TEXT_SIZE_LEN];
		if (check_name(p->name, o, d) < 0)
			return -1;
		end = align_up(end, ALIGN);
		at[i] = end;
		end += part_len(p);
		group_len[p->group] += part_len(p);
		const struct lp_group *g = p->group ? &o->groups[p->group - 1] : NULL;
		if (g && g->max_len && group_len[p->group] > g->max_len)
			return diag_fail(d, MVP0501, &o->loc, "the partitions of the group '%s' need %s; it has %s", g->name,
					 text_size(group_len[p->group], a), text_size(g->max_len, b));
	}
	*ret_end = end;
	return 0;
}

static void emit_geometry(const struct lp_opts *o, uint8_t ret[GEOMETRY_LEN])
{
	memset(ret, 0, GEOMETRY_LEN);
	put_le32(ret, 0x616c4467);
	put_le32(ret + 4, GEOMETRY_USED);
	put_le32(ret + 40, o->metadata_len);
	put_le32(ret + 44, o->slots);
	put_le32(ret + 48, BLOCK_LEN);
	sha256(ret, GEOMETRY_USED, ret + 8);
}

static uint32_t count_extents(const struct lp_opts *o)
{
	uint32_t n = 0;
	for (size_t i = 0; i < o->parts_count; i++)
		n += part_len(&o->parts[i]) != 0;
	return n;
}

static void emit_tables(const struct lp_opts *o, const uint64_t *at, uint64_t device_len, struct buf *b)
{
	uint32_t extent = 0;
	for (size_t i = 0; i < o->parts_count; i++) {
		uint32_t extents = part_len(&o->parts[i]) != 0;
		put_name(b, o->parts[i].name);
		buf_le32(b, o->parts[i].attributes);
		buf_le32(b, extent);
		buf_le32(b, extents);
		buf_le32(b, (uint32_t)o->parts[i].group);
		extent += extents;
	}
	for (size_t i = 0; i < o->parts_count; i++) {
		if (!part_len(&o->parts[i]))
			continue;
		buf_le64(b, part_len(&o->parts[i]) / SECTOR);
		buf_le32(b, 0); /* linear */
		buf_le64(b, at[i] / SECTOR);
		buf_le32(b, 0); /* block device 0 */
	}
	for (size_t i = 0; i <= o->groups_count; i++) {
		put_name(b, i ? o->groups[i - 1].name : "default");
		buf_le32(b, 0);
		buf_le64(b, i ? o->groups[i - 1].max_len : 0);
	}
	buf_le64(b, first_byte(o) / SECTOR);
	buf_le32(b, (uint32_t)ALIGN);
	buf_le32(b, 0); /* alignment offset */
	buf_le64(b, device_len);
	put_name(b, o->device);
	buf_le32(b, 0);
}

static void table(uint8_t *p, uint32_t *at, uint32_t count, uint32_t entry_len)
{
	put_le32(p, *at);
	put_le32(p + 4, count);
	put_le32(p + 8, entry_len);
	*at += count * entry_len;
}

/* Header and tables. The lowest minor version that can say what is said. */
static int emit_metadata(const struct lp_opts *o, const uint64_t *at, uint64_t device_len, struct buf *out, struct diag *d)
{
	struct buf tables CLEANUP(buf_fini) = BUF_INIT;
	uint8_t h[HEADER_LEN_FLAGS] = { 0 };
	uint32_t header_len = o->virtual_ab ? HEADER_LEN_FLAGS : HEADER_LEN, table_at = 0;
	emit_tables(o, at, device_len, &tables);
	if (buf_error(&tables))
		return diag_fail(d, MVP0001, NULL, "no memory for the metadata of a super partition");
	put_le32(h, 0x414c5030);
	put_le16(h + 4, 10);
	put_le16(h + 6, o->virtual_ab ? 2 : 0);
	put_le32(h + 8, header_len);
	put_le32(h + 44, (uint32_t)tables.len);
	sha256(tables.data, tables.len, h + 48);
	table(h + 80, &table_at, (uint32_t)o->parts_count, 52);
	table(h + 92, &table_at, count_extents(o), 24);
	table(h + 104, &table_at, (uint32_t)o->groups_count + 1, 48);
	table(h + 116, &table_at, 1, 64);
	put_le32(h + 128, o->virtual_ab ? FLAG_VIRTUAL_AB : 0);
	sha256(h, header_len, h + 12);
	buf_append(out, h, header_len);
	buf_append(out, tables.data, tables.len);
	if (out->len > o->metadata_len)
		return diag_fail(d, MVP0501, &o->loc, "the metadata of the super partition takes %zu bytes; %u are set aside for it",
				 out->len, o->metadata_len);
	return 0;
}

/* Reserved bytes, geometry twice, and the metadata of all slots twice. */
static struct image *front(const struct lp_opts *o, const uint8_t geometry[GEOMETRY_LEN], const struct buf *metadata)
{
	size_t len = RESERVED_LEN + 2 * (GEOMETRY_LEN + (size_t)o->metadata_len * o->slots);
	uint8_t *p = mem_zeroed(1, len);
	memcpy(p + RESERVED_LEN, geometry, GEOMETRY_LEN);
	memcpy(p + RESERVED_LEN + GEOMETRY_LEN, geometry, GEOMETRY_LEN);
	for (size_t i = 0; i < 2 * (size_t)o->slots; i++)
		memcpy(p + RESERVED_LEN + 2 * GEOMETRY_LEN + i * o->metadata_len, metadata->data, metadata->len);
	return image_mem(p, len);
}

int lp_compose(const struct lp_opts *o, struct image **ret_super, struct buf *ret_empty, struct diag *d)
{
	uint64_t *at CLEANUP_FREE = mem_array(uint64_t, o->parts_count), end = 0, len;
	uint8_t geometry[GEOMETRY_LEN];
	struct buf metadata CLEANUP(buf_fini) = BUF_INIT;
	char a[TEXT_SIZE_LEN], b[TEXT_SIZE_LEN];
	if (place(o, at, &end, d) < 0)
		return -1;
	len = o->len ? o->len : align_up(end, ALIGN);
	if (len < end || len % BLOCK_LEN)
		return diag_fail(d, MVP0501, &o->loc, "the logical partitions need %s; the super partition has %s", text_size(end, a),
				 text_size(len, b));
	if (emit_metadata(o, at, len, &metadata, d) < 0)
		return -1;
	emit_geometry(o, geometry);
	buf_append(ret_empty, geometry, sizeof(geometry));
	buf_append(ret_empty, metadata.data, metadata.len);
	if (buf_error(ret_empty))
		return diag_fail(d, MVP0001, NULL, "no memory for the metadata of a super partition");
	struct image *first CLEANUP(image_freep) = front(o, geometry, &metadata);
	struct image_piece *pieces CLEANUP_FREE = mem_array(struct image_piece, o->parts_count + 1);
	size_t count = 0;
	pieces[count++] = (struct image_piece){ .img = first };
	for (size_t i = 0; i < o->parts_count; i++)
		if (part_len(&o->parts[i]))
			pieces[count++] = (struct image_piece){ .img = o->parts[i].img, .at = at[i] };
	*ret_super = image_compose(len, pieces, count);
	return 0;
}

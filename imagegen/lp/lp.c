#include "imagegen/lp/lp.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define RESERVED 4096u
#define GEOMETRY_LEN 4096u
#define GEOMETRY_MAGIC 0x616c4467u
#define GEOMETRY_STRUCT_LEN 52u
#define HEADER_MAGIC 0x414c5030u
#define HEADER_V0_LEN 128u
#define HEADER_V2_LEN 256u
#define HEADER_SUM_AT 12
#define METADATA_MAX ((uint32_t)16 << 20)
#define SLOTS_MAX 64u
#define SECTOR 512u
#define SUM_LEN 32

enum { TARGET_LINEAR = 0, TARGET_ZERO = 1 };
enum { PARTITION_LEN = 52, EXTENT_LEN = 24, GROUP_LEN = 48, DEVICE_LEN = 64 };

struct lp_extent {
	uint64_t from, len; /* bytes in super */
	bool zero;
};

struct lp {
	struct image *super;
	char *label;
	struct lp_partition *partitions;
	size_t partitions_count;
	struct lp_extent *extents;
	size_t extents_count;
};

struct geometry {
	uint32_t metadata_max, slots;
};

/* A table of the metadata: where it lies in the tables' bytes. */
struct table {
	const uint8_t *data;
	uint32_t count;
};

void lp_free(struct lp *lp)
{
	if (!lp)
		return;
	image_free(lp->super);
	free(lp->label);
	free(lp->partitions);
	free(lp->extents);
	free(lp);
}

const struct lp_partition *lp_partitions(const struct lp *lp, size_t *ret_count)
{
	*ret_count = lp->partitions_count;
	return lp->partitions;
}

static int damaged(const char *label, uint64_t at, const char *what, struct diag *d)
{
	return diag_fail(d, MVP0331, &LOC_AT(label, at), "%s", what);
}

/* SHA-256 of data with the sum's own place as zeros. */
static bool sum_ok(uint8_t *data, size_t len, size_t sum_at)
{
	uint8_t stored[SUM_LEN], sum[SUM_LEN];
	memcpy(stored, data + sum_at, SUM_LEN);
	memset(data + sum_at, 0, SUM_LEN);
	SHA256(data, len, sum);
	memcpy(data + sum_at, stored, SUM_LEN);
	return memcmp(sum, stored, SUM_LEN) == 0;
}

/* 1: damaged. */
static int read_geometry_at(const struct image *super, uint64_t at, struct geometry *ret, struct diag *d)
{
	uint8_t g[GEOMETRY_STRUCT_LEN];
	if (!num_inside(at, GEOMETRY_LEN, image_len(super)))
		return 1;
	if (image_read(super, at, g, sizeof(g), d) < 0)
		return -1;
	if (get_le32(g) != GEOMETRY_MAGIC || get_le32(g + 4) != GEOMETRY_STRUCT_LEN || !sum_ok(g, sizeof(g), 8))
		return 1;
	*ret = (struct geometry){ get_le32(g + 40), get_le32(g + 44) };
	bool good = ret->metadata_max % SECTOR == 0 && ret->metadata_max > 0 && ret->metadata_max <= METADATA_MAX && ret->slots > 0 &&
		    ret->slots <= SLOTS_MAX;
	return good ? 0 : 1;
}

static int read_geometry(const struct image *super, const char *label, struct geometry *ret, struct diag *d)
{
	struct geometry empty;
	int r = read_geometry_at(super, RESERVED, ret, d);
	if (r <= 0)
		return r;
	r = read_geometry_at(super, RESERVED + GEOMETRY_LEN, ret, d);
	if (r < 0)
		return -1;
	if (r == 0) {
		diag_warn(d, MVP0331, &LOC_AT(label, RESERVED), "the geometry of super is damaged; its copy was used");
		return 0;
	}
	r = read_geometry_at(super, 0, &empty, d);
	if (r < 0)
		return -1;
	if (r == 0) {
		(void)damaged(label, 0, "this is super_empty: the layout of super without its partitions", d);
		diag_hint(d, "give the whole super image");
		return -1;
	}
	return damaged(label, RESERVED, "no super partition: both copies of its geometry are missing or damaged", d);
}

/* Finds a table by its descriptor (offset, count, size of an entry) in the header. */
static bool find_table(const uint8_t *header, size_t descriptor_at, const uint8_t *tables, uint32_t tables_len, uint32_t entry_len,
		       struct table *ret)
{
	uint32_t at = get_le32(header + descriptor_at), count = get_le32(header + descriptor_at + 4);
	if (get_le32(header + descriptor_at + 8) != entry_len || !num_inside(at, (uint64_t)count * entry_len, tables_len))
		return false;
	*ret = (struct table){ tables + at, count };
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct lp_extent *x = a, *y = b;
	return (x->from > y->from) - (x->from < y->from);
}

/* Extents of each other's bytes would let a small file stand for partitions in partitions without end. */
static int parse_apart(const struct lp *lp, uint64_t at, struct diag *d)
{
	struct lp_extent *sorted CLEANUP_FREE = mem_array(struct lp_extent, lp->extents_count);
	size_t n = 0;
	for (size_t i = 0; i < lp->extents_count; i++)
		if (!lp->extents[i].zero && lp->extents[i].len)
			sorted[n++] = lp->extents[i];
	if (n)
		qsort(sorted, n, sizeof(*sorted), by_place);
	for (size_t i = 1; i < n; i++)
		if (sorted[i - 1].from + sorted[i - 1].len > sorted[i].from)
			return damaged(lp->label, at, "extents of super lie on one another", d);
	return 0;
}

static int parse_extents(struct lp *lp, const struct table *extents, const struct table *devices, uint64_t at, struct diag *d)
{
	lp->extents = mem_array(struct lp_extent, extents->count);
	lp->extents_count = extents->count;
	uint64_t first_sector = get_le64(devices->data);
	for (uint32_t i = 0; i < extents->count; i++) {
		const uint8_t *e = extents->data + (size_t)i * EXTENT_LEN;
		uint64_t sectors = get_le64(e), from = get_le64(e + 12);
		uint32_t type = get_le32(e + 8);
		struct lp_extent *x = &lp->extents[i];
		if (type > TARGET_ZERO)
			return damaged(lp->label, at, "an extent of super is of an unknown type", d);
		if (!num_mul(sectors, SECTOR, &x->len) || x->len > (uint64_t)1 << 50)
			return damaged(lp->label, at, "an extent of super is of an impossible length", d);
		x->zero = type == TARGET_ZERO;
		if (x->zero)
			continue;
		if (get_le32(e + 20) != 0)
			return damaged(lp->label, at, "an extent of super lies on another device; only a super of one device can be read",
				       d);
		if (from < first_sector || !num_mul(from, SECTOR, &x->from) || !num_inside(x->from, x->len, image_len(lp->super)))
			return damaged(lp->label, at, "an extent of super lies outside its data", d);
	}
	return parse_apart(lp, at, d);
}

static int parse_partitions(struct lp *lp, const struct table *partitions, const struct table *groups, uint64_t at, struct diag *d)
{
	uint64_t used = 0;
	lp->partitions = mem_array(struct lp_partition, partitions->count);
	for (uint32_t i = 0; i < partitions->count; i++) {
		const uint8_t *p = partitions->data + (size_t)i * PARTITION_LEN;
		struct lp_partition *x = &lp->partitions[lp->partitions_count];
		uint32_t first = get_le32(p + 40), count = get_le32(p + 44);
		memcpy(x->name, p, LP_NAME_MAX);
		x->attributes = get_le32(p + 36);
		x->first_extent = first;
		x->extents_count = count;
		for (const char *c = x->name; *c; c++)
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", *c))
				return damaged(lp->label, at, "a partition of super has a strange name", d);
		if (x->name[0] == '\0' || !num_inside(first, count, lp->extents_count) || get_le32(p + 48) >= groups->count)
			return damaged(lp->label, at, "a partition of super has no name, or extents or a group that do not exist", d);
		for (uint32_t k = 0; k < count; k++)
			if (!num_add(x->len, lp->extents[first + k].len, &x->len) || x->len > (uint64_t)1 << 50)
				return damaged(lp->label, at, "a partition of super is of an impossible length", d);
		used += count;
		if (used > lp->extents_count)
			return damaged(lp->label, at, "partitions of super share extents", d);
		lp->partitions_count++;
	}
	return 0;
}

/* The metadata at byte at. 1: its checksums are wrong. */
static int read_metadata(struct lp *lp, const struct geometry *g, uint64_t at, struct diag *d)
{
	if (!num_inside(at, g->metadata_max, image_len(lp->super)))
		return 1;
	uint8_t *all CLEANUP_FREE = mem_try(1, g->metadata_max);
	if (!all)
		return diag_fail(d, MVP0001, NULL, "no memory for the metadata of super");
	if (image_read(lp->super, at, all, g->metadata_max, d) < 0)
		return -1;
	uint32_t header_len = g->metadata_max >= HEADER_V2_LEN ? get_le32(all + 8) : 0;
	if ((header_len != HEADER_V0_LEN && header_len != HEADER_V2_LEN) || get_le32(all) != HEADER_MAGIC ||
	    !sum_ok(all, header_len, HEADER_SUM_AT))
		return 1;
	uint32_t tables_len = get_le32(all + 44);
	uint8_t sum[SUM_LEN];
	if (get_le16(all + 4) != 10)
		return damaged(lp->label, at + 4, "the metadata of super is of an unknown version; 10.0 to 10.2 are known", d);
	if (!num_inside(header_len, tables_len, g->metadata_max))
		return 1;
	SHA256(all + header_len, tables_len, sum);
	if (memcmp(sum, all + 48, SUM_LEN) != 0)
		return 1;
	const uint8_t *tables = all + header_len;
	struct table partitions, extents, groups, devices;
	if (!find_table(all, 80, tables, tables_len, PARTITION_LEN, &partitions) ||
	    !find_table(all, 92, tables, tables_len, EXTENT_LEN, &extents) ||
	    !find_table(all, 104, tables, tables_len, GROUP_LEN, &groups) ||
	    !find_table(all, 116, tables, tables_len, DEVICE_LEN, &devices) || devices.count == 0)
		return damaged(lp->label, at + 80, "the tables of super's metadata do not fit into it", d);
	if (parse_extents(lp, &extents, &devices, at, d) < 0)
		return -1;
	return parse_partitions(lp, &partitions, &groups, at, d);
}

int lp_read(struct image *super, const char *label, struct lp **ret_lp, struct diag *d)
{
	struct geometry g;
	if (read_geometry(super, label, &g, d) < 0)
		return -1;
	struct lp *lp CLEANUP(lp_freep) = mem_new(struct lp);
	lp->super = image_ref(super);
	lp->label = mem_strdup(label);
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): set on every path, which the analyser does not follow */
	uint64_t primary = RESERVED + 2 * (uint64_t)GEOMETRY_LEN, backup = primary + (uint64_t)g.metadata_max * g.slots;
	int r = read_metadata(lp, &g, primary, d);
	if (r > 0) {
		r = read_metadata(lp, &g, backup, d);
		if (r == 0)
			diag_warn(d, MVP0331, &LOC_AT(label, primary), "the metadata of super is damaged; its backup was used");
	}
	if (r > 0)
		return damaged(label, primary, "the metadata of super and its backup are damaged", d);
	if (r < 0)
		return -1;
	*ret_lp = TAKE(lp);
	return 0;
}

const struct lp_partition *lp_find(const struct lp *lp, const char *name)
{
	size_t len = strlen(name);
	const struct lp_partition *slot_a = NULL;
	for (size_t i = 0; i < lp->partitions_count; i++) {
		const struct lp_partition *p = &lp->partitions[i];
		if (strcmp(p->name, name) == 0)
			return p;
		if (strncmp(p->name, name, len) == 0 && strcmp(p->name + len, "_a") == 0)
			slot_a = p;
	}
	return slot_a;
}

int lp_image(const struct lp *lp, const struct lp_partition *p, struct image **ret_img, struct diag *d)
{
	struct image_piece *pieces CLEANUP_FREE = mem_try(p->extents_count + 1, sizeof(*pieces));
	size_t count = 0;
	uint64_t at = 0;
	if (!pieces)
		return diag_fail(d, MVP0001, NULL, "no memory for the extents of '%s'", p->name);
	for (size_t i = 0; i < p->extents_count; i++) {
		const struct lp_extent *x = &lp->extents[p->first_extent + i];
		if (!x->zero && x->len > 0)
			pieces[count++] = (struct image_piece){ image_slice(lp->super, x->from, x->len), at };
		at += x->len;
	}
	*ret_img = image_compose(p->len, pieces, count);
	for (size_t i = 0; i < count; i++)
		image_free(pieces[i].img);
	return 0;
}

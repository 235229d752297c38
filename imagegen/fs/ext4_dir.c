/* Layout: Linux, Documentation/filesystems/ext4/directory.rst (linear and hash tree directories, checksum tails). */
#include "imagegen/fs/ext4_dir.h"

#include <ext2fs/ext2fs.h>
#include <string.h>

#include "imagegen/base/bytes.h"

#define TAIL_LEN 12 /* struct ext2_dir_entry_tail: a checksum dressed as an unused entry */
#define LEAF_LEN (EXT4_BLOCK - TAIL_LEN)
#define DOTS_LEN 24                                      /* "." and ".." */
#define ROOT_LIMIT ((EXT4_BLOCK - DOTS_LEN - 8 - 8) / 8) /* less dx_root_info and the checksum tail */
#define NODE_LIMIT ((EXT4_BLOCK - 8 - 8) / 8)            /* less the fake entry and the checksum tail */
#define HALF_MD4 1                                       /* EXT2_HASH_HALF_MD4 */

static size_t entry_len(size_t name_len)
{
	return (8 + name_len + 3) & ~(size_t)3;
}

static void put_entry(uint8_t *p, uint32_t ino, size_t rec_len, const char *name, size_t name_len, uint8_t type)
{
	put_le32(p, ino);
	put_le16(p + 4, (uint16_t)rec_len);
	p[6] = (uint8_t)name_len;
	p[7] = type;
	memcpy(p + 8, name, name_len);
}

/* A block being filled with entries. */
struct leaf {
	uint8_t *block;
	size_t used, last; /* bytes; where the last entry starts */
};

static bool leaf_new(struct leaf *l, struct buf *out)
{
	*l = (struct leaf){ .block = buf_reserve(out, EXT4_BLOCK) };
	if (!l->block)
		return false;
	put_le16(l->block + 4, LEAF_LEN); /* an unused entry, until there is one */
	put_le16(l->block + LEAF_LEN + 4, TAIL_LEN);
	l->block[LEAF_LEN + 7] = 0xde; /* EXT2_DIR_NAME_LEN_CSUM */
	return true;
}

static bool leaf_add(struct leaf *l, uint32_t ino, const char *name, uint8_t type)
{
	size_t name_len = strlen(name), need = entry_len(name_len);
	if (need > LEAF_LEN - l->used)
		return false;
	if (l->used > 0)
		put_le16(l->block + l->last + 4, (uint16_t)(l->used - l->last));
	put_entry(l->block + l->used, ino, LEAF_LEN - l->used, name, name_len, type);
	l->last = l->used;
	l->used += need;
	return true;
}

static bool build_linear(uint32_t self, uint32_t parent, const struct dir_entry *entries, size_t count, size_t min_blocks, struct buf *out)
{
	struct leaf l;
	size_t start = out->len;
	if (!leaf_new(&l, out))
		return false;
	(void)leaf_add(&l, self, ".", EXT2_FT_DIR);
	(void)leaf_add(&l, parent, "..", EXT2_FT_DIR);
	for (size_t i = 0; i < count; i++)
		if (!leaf_add(&l, entries[i].ino, entries[i].name, entries[i].type)) {
			if (!leaf_new(&l, out))
				return false;
			(void)leaf_add(&l, entries[i].ino, entries[i].name, entries[i].type);
		}
	while (out->len - start < min_blocks * EXT4_BLOCK)
		if (!leaf_new(&l, out))
			return false;
	return true;
}

static int by_hash(const void *a, const void *b)
{
	const struct dir_entry *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->minor != y->minor)
		return x->minor < y->minor ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Leaf blocks the sorted entries fill. */
static size_t leaves_needed(const struct dir_entry *entries, size_t count)
{
	size_t leaves = 1, used = 0;
	for (size_t i = 0; i < count; i++) {
		size_t need = entry_len(strlen(entries[i].name));
		if (used + need > LEAF_LEN) {
			leaves++;
			used = 0;
		}
		used += need;
	}
	return leaves;
}

/* The index entries that cover blocks first .. first + count - 1 of the folder, whose lowest hashes are given. The first has no hash: its
 * place holds limit and count. */
static void put_index(uint8_t *p, size_t limit, const uint32_t *hashes, size_t count, size_t first)
{
	put_le16(p, (uint16_t)limit);
	put_le16(p + 2, (uint16_t)count);
	put_le32(p + 4, (uint32_t)first);
	for (size_t i = 1; i < count; i++) {
		put_le32(p + i * 8, hashes[i]);
		put_le32(p + i * 8 + 4, (uint32_t)(first + i));
	}
}

static void put_root(uint8_t *p, uint32_t self, uint32_t parent, bool two_levels)
{
	put_entry(p, self, 12, ".", 1, EXT2_FT_DIR);
	put_entry(p + 12, parent, EXT4_BLOCK - 12, "..", 2, EXT2_FT_DIR);
	p[DOTS_LEN + 4] = HALF_MD4;
	p[DOTS_LEN + 5] = 8; /* length of this structure */
	p[DOTS_LEN + 6] = two_levels;
}

/* Fills the leaves and notes the lowest hash of each. A hash that goes on from the leaf before is marked by its lowest bit. */
static bool put_leaves(const struct dir_entry *entries, size_t count, struct buf *out, struct buf *hashes)
{
	struct leaf l = { 0 };
	for (size_t i = 0; i < count; i++) {
		if (l.block && leaf_add(&l, entries[i].ino, entries[i].name, entries[i].type))
			continue;
		uint32_t hash = entries[i].hash | (i > 0 && entries[i - 1].hash == entries[i].hash);
		if (!leaf_new(&l, out) || buf_append(hashes, &hash, sizeof hash) < 0)
			return false;
		(void)leaf_add(&l, entries[i].ino, entries[i].name, entries[i].type);
	}
	return true;
}

/* Root, inner nodes if the root cannot cover the leaves, leaves. */
static bool build_indexed(uint32_t self, uint32_t parent, const struct dir_entry *entries, size_t count, size_t leaves, struct buf *out)
{
	struct buf hash_bytes CLEANUP(buf_fini) = BUF_INIT;
	size_t nodes = leaves > ROOT_LIMIT ? (leaves + NODE_LIMIT - 1) / NODE_LIMIT : 0;
	size_t start = out->len;
	if (!buf_reserve(out, (1 + nodes) * EXT4_BLOCK) || !put_leaves(entries, count, out, &hash_bytes))
		return false;
	const uint32_t *hashes = (const uint32_t *)(const void *)hash_bytes.data;
	uint8_t *root = out->data + start;
	put_root(root, self, parent, nodes > 0);
	if (nodes == 0) {
		put_index(root + DOTS_LEN + 8, ROOT_LIMIT, hashes, leaves, 1);
		return true;
	}
	uint32_t firsts[ROOT_LIMIT];
	for (size_t n = 0; n < nodes; n++) {
		uint8_t *node = root + (1 + n) * EXT4_BLOCK;
		size_t from = n * NODE_LIMIT, covered = leaves - from < NODE_LIMIT ? leaves - from : NODE_LIMIT;
		put_le16(node + 4, EXT4_BLOCK); /* an unused entry, to those who know no index */
		put_index(node + 8, NODE_LIMIT, hashes + from, covered, 1 + nodes + from);
		firsts[n] = hashes[from];
	}
	put_index(root + DOTS_LEN + 8, ROOT_LIMIT, firsts, nodes, 1);
	return true;
}

bool dir_build(uint32_t self, uint32_t parent, struct dir_entry *entries, size_t entries_count, const uint8_t hash_seed[16],
	       size_t min_blocks, struct buf *out, bool *ret_indexed)
{
	size_t bytes = DOTS_LEN;
	uint32_t seed[4];
	*ret_indexed = false;
	for (size_t i = 0; i < entries_count; i++)
		bytes += entry_len(strlen(entries[i].name));
	if (bytes <= LEAF_LEN)
		return build_linear(self, parent, entries, entries_count, min_blocks, out);
	memcpy(seed, hash_seed, sizeof seed);
	for (size_t i = 0; i < entries_count; i++)
		if (ext2fs_dirhash(HALF_MD4, entries[i].name, (int)strlen(entries[i].name), seed, &entries[i].hash, &entries[i].minor) != 0)
			return false;
	qsort(entries, entries_count, sizeof *entries, by_hash);
	size_t leaves = leaves_needed(entries, entries_count);
	if (leaves > (size_t)ROOT_LIMIT * NODE_LIMIT) /* some ten million names: an index of two levels ends here */
		return build_linear(self, parent, entries, entries_count, min_blocks, out);
	*ret_indexed = true;
	return build_indexed(self, parent, entries, entries_count, leaves, out);
}

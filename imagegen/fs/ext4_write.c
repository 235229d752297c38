/* On-disk structures: Linux, Documentation/filesystems/ext4/ (inodes, ifork, attributes). Blocks are handed out front to back, so a file is
 * as contiguous as the file system's own tables allow, and equal trees get equal layouts. */
#include "imagegen/fs/ext4_write.h"

#include <et/com_err.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define LOST_FOUND_BLOCKS 4 /* as mke2fs: e2fsck can put names there without allocating */
#define EXTENT_BLOCKS 32768 /* longest initialised extent */
#define EXTENTS_INLINE 4
#define EXTENTS_LEAF ((EXT4_BLOCK - 12 - 4) / 12) /* less header and checksum tail */
#define LINKS_MAX 65000                           /* EXT4_LINK_MAX */
#define FAST_LINK_LEN 59
#define XATTR_INLINE (256 - 128 - 32 - 4) /* bytes for attributes in a 256-byte inode: less base, extra fields and magic */

struct extent_map {
	struct {
		uint32_t logical, len; /* blocks */
		uint64_t physical;
	} * v;
	size_t count, cap;
};

static void extent_map_fini(struct extent_map *m)
{
	free(m->v);
}

static void entries_freep(struct dir_entry **v)
{
	free(*v);
}

int ext4_failed(const char *what, errcode_t err, struct diag *d)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, initialize_ext2_error_table);
	return diag_fail(d, MVP0402, NULL, "%s: %s", what, error_message(err));
}

/* Without a /lost+found of its own the tree gets one at the first free inode number. */
static uint32_t ino_of(const struct ext4_writer *w, const struct inode *i)
{
	return i->index == 0 ? EXT2_ROOT_INO : EXT2_GOOD_OLD_FIRST_INO + i->index - (w->own_lost_found ? 1 : 0);
}

uint32_t ext4_inodes_used(const struct ext4_writer *w)
{
	uint32_t count = w->tree ? tree_inodes_count(w->tree) : 1;
	return EXT2_GOOD_OLD_FIRST_INO - 1u + (w->own_lost_found ? 0u : 1u) + count - 1u;
}

static int out_of_space(const struct ext4_writer *w, struct diag *d)
{
	return diag_fail(d, MVP0402, &w->opts->loc, "file system '%s': blocks ran out although enough were counted", w->opts->label);
}

/* The next free blocks, at most want of them and as many as lie together. */
static int take_blocks(struct ext4_writer *w, uint64_t want, uint64_t *ret_first, uint64_t *ret_count, struct diag *d)
{
	blk64_t first = 0, end = 0, last = ext2fs_blocks_count(w->fs->super) - 1;
	if (w->cursor > last || ext2fs_find_first_zero_block_bitmap2(w->fs->block_map, w->cursor, last, &first) != 0)
		return out_of_space(w, d);
	blk64_t limit = num_min(first + want - 1, last);
	if (ext2fs_find_first_set_block_bitmap2(w->fs->block_map, first, limit, &end) != 0)
		end = limit + 1;
	ext2fs_block_alloc_stats_range(w->fs, first, (blk_t)(end - first), +1);
	w->cursor = end;
	*ret_first = first;
	*ret_count = end - first;
	return 0;
}

#define NO_SPOOL UINT64_MAX
static void map_add(struct extent_map *m, uint32_t logical, uint64_t physical, uint64_t count)
{
	/* Where the content comes from is no reason for another extent. */
	if (m->count && m->v[m->count - 1].logical + m->v[m->count - 1].len == logical &&
	    m->v[m->count - 1].physical + m->v[m->count - 1].len == physical) {
		uint32_t n = (uint32_t)num_min(count, EXTENT_BLOCKS - m->v[m->count - 1].len);
		m->v[m->count - 1].len += n;
		logical += n;
		physical += n;
		count -= n;
	}
	if (!count)
		return;
	mem_grow(&m->v, m->count, &m->cap, sizeof *m->v);
	m->v[m->count].logical = logical;
	m->v[m->count].len = (uint32_t)count;
	m->v[m->count++].physical = physical;
}

/* Blocks for count blocks of a file from logical on; spool_at: where their bytes lie (no_spool: they are written by the caller). */
static int map_blocks(struct ext4_writer *w, struct extent_map *m, uint32_t logical, uint64_t count, uint64_t spool_at, struct diag *d)
{
	while (count > 0) {
		uint64_t first = 0, got = 0;
		if (take_blocks(w, num_min(count, EXTENT_BLOCKS), &first, &got, d) < 0)
			return -1;
		map_add(m, logical, first, got);
		if (spool_at != NO_SPOOL) {
			mem_grow(&w->pieces, w->pieces_count, &w->pieces_cap, sizeof *w->pieces);
			w->pieces[w->pieces_count++] = (struct ext4_piece){ first * EXT4_BLOCK, got * EXT4_BLOCK, spool_at };
			spool_at += got * EXT4_BLOCK;
		}
		logical += (uint32_t)got;
		count -= got;
	}
	return 0;
}

static void put_header(uint8_t *p, size_t entries, size_t max, unsigned depth)
{
	put_le16(p, 0xf30a);
	put_le16(p + 2, (uint16_t)entries);
	put_le16(p + 4, (uint16_t)max);
	put_le16(p + 6, (uint16_t)depth);
}

static void put_extents(uint8_t *p, const struct extent_map *m, size_t from, size_t count, size_t max)
{
	put_header(p, count, max, 0);
	for (size_t i = 0; i < count; i++) {
		uint8_t *e = p + 12 + i * 12;
		put_le32(e, m->v[from + i].logical);
		put_le16(e + 4, (uint16_t)m->v[from + i].len);
		put_le16(e + 6, (uint16_t)(m->v[from + i].physical >> 32));
		put_le32(e + 8, (uint32_t)m->v[from + i].physical);
	}
}

static void put_index(uint8_t *p, uint32_t logical, uint64_t block)
{
	put_le32(p, logical);
	put_le32(p + 4, (uint32_t)block);
	put_le16(p + 8, (uint16_t)(block >> 32));
}

static int write_node(struct ext4_writer *w, uint32_t ino, uint8_t *node, uint64_t *ret_block, struct diag *d)
{
	uint64_t got = 0;
	if (take_blocks(w, 1, ret_block, &got, d) < 0)
		return -1;
	errcode_t err = ext2fs_extent_block_csum_set(w->fs, ino, (struct ext3_extent_header *)(void *)node);
	if (!err)
		err = io_channel_write_blk64(w->fs->io, *ret_block, 1, node);
	return err ? ext4_failed("cannot write an extent block", err, d) : 0;
}

/* The extent tree of an inode: i_block itself, or one or two levels below it. */
static int write_extents(struct ext4_writer *w, uint32_t ino, const struct extent_map *m, uint8_t i_block[60], uint64_t *blocks,
			 struct diag *d)
{
	/* Aligned as libext2fs casts it. */
	_Alignas(8) uint8_t node[EXT4_BLOCK], parent[EXT4_BLOCK] = { 0 };
	size_t leaves = (m->count + EXTENTS_LEAF - 1) / EXTENTS_LEAF, tops = 0;
	uint64_t block = 0;
	if (m->count <= EXTENTS_INLINE) {
		put_extents(i_block, m, 0, m->count, EXTENTS_INLINE);
		return 0;
	}
	bool deep = leaves > EXTENTS_INLINE;
	if (leaves > (size_t)EXTENTS_INLINE * EXTENTS_LEAF)
		return diag_fail(d, MVP0404, NULL, "a file has %zu extents; %d is the most", m->count,
				 EXTENTS_INLINE * EXTENTS_LEAF * EXTENTS_LEAF);
	for (size_t leaf = 0; leaf < leaves; leaf++) {
		size_t from = leaf * EXTENTS_LEAF, count = m->count - from < EXTENTS_LEAF ? m->count - from : EXTENTS_LEAF;
		memset(node, 0, sizeof node);
		put_extents(node, m, from, count, EXTENTS_LEAF);
		if (write_node(w, ino, node, &block, d) < 0)
			return -1;
		++*blocks;
		if (!deep) {
			put_index(i_block + 12 + leaf * 12, m->v[from].logical, block);
			continue;
		}
		size_t in_parent = leaf % EXTENTS_LEAF;
		put_index(parent + 12 + in_parent * 12, m->v[from].logical, block);
		if (in_parent + 1 == EXTENTS_LEAF || leaf + 1 == leaves) {
			put_header(parent, in_parent + 1, EXTENTS_LEAF, 1);
			if (write_node(w, ino, parent, &block, d) < 0)
				return -1;
			++*blocks;
			put_index(i_block + 12 + tops++ * 12, get_le32(parent + 12), block);
			memset(parent, 0, sizeof parent);
		}
	}
	put_header(i_block, deep ? tops : leaves, EXTENTS_INLINE, deep ? 2 : 1);
	return 0;
}

/* Blocks for extent nodes when a file has at most count extents. */
static uint64_t extent_nodes(uint64_t count)
{
	if (count <= EXTENTS_INLINE)
		return 0;
	uint64_t leaves = (count + EXTENTS_LEAF - 1) / EXTENTS_LEAF;
	return leaves + (leaves > EXTENTS_INLINE ? (leaves + EXTENTS_LEAF - 1) / EXTENTS_LEAF : 0);
}

static uint8_t file_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	default:
		return EXT2_FT_FIFO;
	}
}

static int folder_blocks(const struct ext4_writer *w, const struct node *n, struct buf *out, bool *ret_indexed, struct diag *d)
{
	const struct inode *i = n->inode;
	bool is_root = n->parent == n, add = is_root && !w->own_lost_found;
	struct dir_entry *entries CLEANUP(entries_freep) = mem_try(i->children_count + 1, sizeof *entries);
	size_t count = 0;
	if (!entries)
		return diag_fail(d, MVP0001, NULL, "no memory for a folder of %zu entries", i->children_count);
	for (; count < i->children_count; count++) {
		const struct node *child = i->children[count];
		entries[count] = (struct dir_entry){ child->name, ino_of(w, child->inode), file_type(child->inode->mode), 0, 0 };
	}
	if (add)
		entries[count++] = (struct dir_entry){ "lost+found", EXT2_GOOD_OLD_FIRST_INO, EXT2_FT_DIR, 0, 0 };
	if (!dir_build(ino_of(w, i), ino_of(w, n->parent->inode), entries, count, w->opts->hash_seed, 1, out, ret_indexed))
		return diag_fail(d, MVP0001, NULL, "no memory for a folder of %zu entries", count);
	return 0;
}

static int write_folder(struct ext4_writer *w, uint32_t ino, const struct buf *data, struct extent_map *m, struct diag *d)
{
	if (map_blocks(w, m, 0, data->len / EXT4_BLOCK, NO_SPOOL, d) < 0)
		return -1;
	const uint8_t *from = data->data;
	for (size_t i = 0; i < m->count; i++)
		for (uint32_t k = 0; k < m->v[i].len; k++, from += EXT4_BLOCK) {
			_Alignas(8) uint8_t block[EXT4_BLOCK];
			memcpy(block, from, sizeof block);
			errcode_t err = ext2fs_write_dir_block4(w->fs, m->v[i].physical + k, block, 0, ino);
			if (err)
				return ext4_failed("cannot write a folder", err, d);
		}
	return 0;
}

/* Seconds beyond 32 bits go into the two lowest bits of the extra field, nanoseconds above them. */
static uint32_t time_extra(int64_t seconds, uint32_t ns)
{
	return (uint32_t)((seconds - (int32_t)seconds) >> 32 & 3) | ns << 2;
}

static void put_attributes(const struct ext4_writer *w, struct ext2_inode_large *out, const struct inode *i)
{
	int64_t now = w->fs->now;
	out->i_mode = (uint16_t)i->mode;
	out->i_uid = (uint16_t)i->uid;
	out->osd2.linux2.l_i_uid_high = (uint16_t)(i->uid >> 16);
	out->i_gid = (uint16_t)i->gid;
	out->osd2.linux2.l_i_gid_high = (uint16_t)(i->gid >> 16);
	out->i_extra_isize = 32;
	out->i_mtime = out->i_atime = (uint32_t)i->mtime;
	out->i_mtime_extra = out->i_atime_extra = time_extra(i->mtime, i->mtime_ns);
	out->i_ctime = out->i_crtime = (uint32_t)now;
	out->i_ctime_extra = out->i_crtime_extra = time_extra(now, 0);
}

static int write_inode(struct ext4_writer *w, uint32_t ino, struct ext2_inode_large *inode, uint64_t size, uint64_t blocks, struct diag *d)
{
	uint64_t sectors = blocks * (EXT4_BLOCK / 512);
	inode->i_size = (uint32_t)size;
	inode->i_size_high = (uint32_t)(size >> 32);
	inode->i_blocks = (uint32_t)sectors;
	inode->osd2.linux2.l_i_blocks_hi = (uint16_t)(sectors >> 32);
	errcode_t err = ext2fs_write_inode_full(w->fs, ino, (struct ext2_inode *)inode, sizeof *inode);
	if (err)
		return ext4_failed("cannot write an inode", err, d);
	/* Root and the reserved numbers were counted with the file system's layout. */
	if (ino >= EXT2_GOOD_OLD_FIRST_INO)
		ext2fs_inode_alloc_stats2(w->fs, ino, +1, (inode->i_mode & S_IFMT) == S_IFDIR);
	return 0;
}

static void put_device(struct ext2_inode_large *out, const struct inode *i)
{
	if (i->rdev_major < 256 && i->rdev_minor < 256)
		out->i_block[0] = i->rdev_major << 8 | i->rdev_minor;
	else
		out->i_block[1] = (i->rdev_minor & 0xff) | i->rdev_major << 8 | (i->rdev_minor & ~(uint32_t)0xff) << 12;
}

static uint64_t content_blocks(const struct content *c)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < c->runs_count; i++)
		sum += c->runs[i].len / EXT4_BLOCK;
	return sum;
}

/* Runs of data with a hole before each but the first. */
static uint64_t content_stretches(const struct content *c)
{
	uint64_t count = 0;
	for (size_t i = 0; i < c->runs_count; i++)
		count += i == 0 || c->runs[i - 1].at + c->runs[i - 1].len != c->runs[i].at;
	return count;
}

/* Type-dependent part of an inode: where its content lies. */
static int write_content(struct ext4_writer *w, const struct node *n, struct ext2_inode_large *out, uint64_t *ret_size,
			 uint64_t *ret_blocks, struct diag *d)
{
	const struct inode *i = n->inode;
	uint32_t ino = ino_of(w, i);
	struct extent_map m CLEANUP(extent_map_fini) = { 0 };
	uint64_t blocks = 0, size = 0;
	if (S_ISREG(i->mode)) {
		size = i->content.len;
		blocks = content_blocks(&i->content);
		for (size_t r = 0; r < i->content.runs_count; r++) {
			const struct content_run *run = &i->content.runs[r];
			if (map_blocks(w, &m, (uint32_t)(run->at / EXT4_BLOCK), run->len / EXT4_BLOCK, run->spool_at, d) < 0)
				return -1;
		}
	} else if (S_ISDIR(i->mode)) {
		struct buf data CLEANUP(buf_fini) = BUF_MAX((size_t)4 << 30);
		bool indexed;
		if (folder_blocks(w, n, &data, &indexed, d) < 0 || write_folder(w, ino, &data, &m, d) < 0)
			return -1;
		size = data.len;
		blocks = data.len / EXT4_BLOCK;
		out->i_flags |= indexed ? EXT2_INDEX_FL : 0;
	} else if (S_ISLNK(i->mode)) {
		size = strlen(i->target);
		if (size <= FAST_LINK_LEN) {
			memcpy(out->i_block, i->target, size);
		} else {
			uint8_t block[EXT4_BLOCK] = { 0 };
			memcpy(block, i->target, size);
			blocks = 1;
			if (map_blocks(w, &m, 0, 1, NO_SPOOL, d) < 0)
				return -1;
			errcode_t err = io_channel_write_blk64(w->fs->io, m.v[0].physical, 1, block);
			if (err)
				return ext4_failed("cannot write a symbolic link", err, d);
		}
	} else if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		put_device(out, i);
	}
	if (S_ISREG(i->mode) || S_ISDIR(i->mode) || m.count > 0) {
		out->i_flags |= EXT4_EXTENTS_FL;
		if (write_extents(w, ino, &m, (uint8_t *)out->i_block, &blocks, d) < 0)
			return -1;
	}
	*ret_size = size;
	*ret_blocks = blocks;
	return 0;
}

static void xattrs_closep(struct ext2_xattr_handle **h)
{
	if (*h)
		(void)ext2fs_xattrs_close(h);
}

static int write_xattrs(struct ext4_writer *w, const struct node *n, struct diag *d)
{
	const struct inode *i = n->inode;
	struct ext2_xattr_handle *h CLEANUP(xattrs_closep) = NULL;
	errcode_t err = ext2fs_xattrs_open(w->fs, ino_of(w, i), &h);
	for (size_t x = 0; x < i->xattrs_count && !err; x++) {
		err = ext2fs_xattr_set(h, i->xattrs[x].name, i->xattrs[x].value, i->xattrs[x].len);
		if (err == EXT2_ET_EA_NO_SPACE) {
			char *path CLEANUP_FREE = node_path(n);
			return diag_fail(d, MVP0404, &w->opts->loc,
					 "the extended attributes of '%s' do not fit: ext4 has 4 KiB for all of a file", path);
		}
	}
	return err ? ext4_failed("cannot write extended attributes", err, d) : 0;
}

static uint32_t link_count(const struct inode *i)
{
	if (!S_ISDIR(i->mode))
		return i->links;
	uint32_t links = 2;
	for (size_t k = 0; k < i->children_count; k++)
		links += S_ISDIR(i->children[k]->inode->mode) ? 1 : 0;
	return links;
}

static int write_node_inode(struct ext4_writer *w, const struct node *n, struct diag *d)
{
	struct ext2_inode_large out = { 0 };
	uint64_t size = 0, blocks = 0;
	uint32_t links = link_count(n->inode);
	if (n->parent == n && !w->own_lost_found)
		links++;
	if (links >= LINKS_MAX && !S_ISDIR(n->inode->mode)) {
		char *path CLEANUP_FREE = node_path(n);
		return diag_fail(d, MVP0404, &w->opts->loc, "'%s' has %u names; ext4 allows %d hard links", path, links, LINKS_MAX);
	}
	out.i_links_count = links >= LINKS_MAX ? 1 : (uint16_t)links; /* dir_nlink: 1 means "many" */
	put_attributes(w, &out, n->inode);
	if (write_content(w, n, &out, &size, &blocks, d) < 0 || write_inode(w, ino_of(w, n->inode), &out, size, blocks, d) < 0)
		return -1;
	return n->inode->xattrs_count > 0 ? write_xattrs(w, n, d) : 0;
}

/* A folder without entries: /lost+found, or the root of an empty file system. */
static int write_bare_folder(struct ext4_writer *w, uint32_t ino, struct dir_entry *entries, size_t count, uint32_t mode, size_t min_blocks,
			     struct diag *d)
{
	struct ext2_inode_large out = { 0 };
	struct buf data CLEANUP(buf_fini) = BUF_INIT;
	struct extent_map m CLEANUP(extent_map_fini) = { 0 };
	struct inode i = { .mode = S_IFDIR | mode, .mtime = w->fs->now };
	uint64_t blocks = min_blocks;
	bool indexed;
	put_attributes(w, &out, &i);
	out.i_links_count = (uint16_t)(2 + count);
	out.i_flags = EXT4_EXTENTS_FL;
	if (!dir_build(ino, EXT2_ROOT_INO, entries, count, w->opts->hash_seed, min_blocks, &data, &indexed))
		return diag_fail(d, MVP0001, NULL, "no memory for a folder");
	if (write_folder(w, ino, &data, &m, d) < 0 || write_extents(w, ino, &m, (uint8_t *)out.i_block, &blocks, d) < 0)
		return -1;
	return write_inode(w, ino, &out, data.len, blocks, d);
}

int ext4_write_tree(struct ext4_writer *w, struct diag *d)
{
	struct dir_entry lost_found = { "lost+found", EXT2_GOOD_OLD_FIRST_INO, EXT2_FT_DIR, 0, 0 };
	uint32_t met = 0; /* inodes are numbered in the order they are met */
	if (!w->tree && write_bare_folder(w, EXT2_ROOT_INO, &lost_found, 1, 0755, 1, d) < 0)
		return -1;
	for (const struct node *n = w->tree ? tree_root(w->tree) : NULL; n; n = node_next(n)) {
		if (n->inode->index != met)
			continue;
		met++;
		if (write_node_inode(w, n, d) < 0)
			return -1;
	}
	if (w->own_lost_found)
		return 0;
	return write_bare_folder(w, EXT2_GOOD_OLD_FIRST_INO, NULL, 0, 0700, w->opts->read_only ? 1 : LOST_FOUND_BLOCKS, d);
}

static uint64_t xattr_blocks(const struct inode *i)
{
	size_t len = 4;                              /* the list's end */
	for (size_t x = 0; x < i->xattrs_count; x++) /* 16 bytes and the name, the value, each rounded up to 4 */
		len += 16 + ((strlen(i->xattrs[x].name) + 3) & ~(size_t)3) + ((i->xattrs[x].len + 3) & ~(size_t)3);
	return i->xattrs_count > 0 && len > XATTR_INLINE ? 1 : 0;
}

static int node_blocks(struct ext4_writer *w, const struct node *n, uint64_t *sum, struct diag *d)
{
	const struct inode *i = n->inode;
	*sum += xattr_blocks(i);
	if (S_ISREG(i->mode)) {
		uint64_t blocks = content_blocks(&i->content);
		*sum += blocks + extent_nodes(content_stretches(&i->content) + blocks / EXTENT_BLOCKS);
	} else if (S_ISLNK(i->mode)) {
		*sum += strlen(i->target) > FAST_LINK_LEN ? 1 : 0;
	} else if (S_ISDIR(i->mode)) {
		struct buf data CLEANUP(buf_fini) = BUF_MAX((size_t)4 << 30);
		bool indexed;
		if (folder_blocks(w, n, &data, &indexed, d) < 0)
			return -1;
		*sum += data.len / EXT4_BLOCK + extent_nodes(data.len / EXT4_BLOCK / EXTENT_BLOCKS);
	}
	return 0;
}

int ext4_count_blocks(struct ext4_writer *w, uint64_t *ret_blocks, struct diag *d)
{
	uint64_t sum = w->tree ? 0 : 1;
	uint32_t met = 0;
	for (const struct node *n = w->tree ? tree_root(w->tree) : NULL; n; n = node_next(n)) {
		if (n->inode->index != met)
			continue;
		met++;
		if (node_blocks(w, n, &sum, d) < 0)
			return -1;
	}
	if (!w->own_lost_found)
		sum += w->opts->read_only ? 1 : LOST_FOUND_BLOCKS;
	*ret_blocks = sum;
	return 0;
}

#include "imagegen/fs/ext4.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/fs/ext4_image.h"
#include "imagegen/fs/ext4_io.h"

#define BYTES_PER_INODE 16384 /* mke2fs.conf's default */
#define BLOCKS_32BIT ((uint64_t)1 << 32)
#define GROUP_BLOCKS 32768
#define HEADROOM_MIN (4 * MIB / EXT4_BLOCK)
#define TRIES_MAX 16

DEFINE_FREEP(struct struct_ext2_filsys, ext2fs_free)

/* What a file system must hold. */
struct needs {
	uint64_t blocks; /* for the tree */
	uint64_t inodes;
	uint64_t headroom; /* blocks to be free afterwards */
};

static void writer_fini(struct ext4_writer *w)
{
	free(w->pieces);
}

/* Zero would make libext2fs ask the clock. */
static int64_t epoch(const struct ext4_opts *o)
{
	return o->epoch != 0 ? o->epoch : 1;
}

static uint64_t journal_blocks(const struct ext4_opts *o, uint64_t blocks)
{
	int size = o->journal ? ext2fs_default_journal_size(blocks) : 0;
	return size > 0 ? (uint64_t)size : 0;
}

static void set_features(struct ext2_super_block *p, uint64_t blocks)
{
	ext2fs_set_feature_xattr(p);
	ext2fs_set_feature_dir_index(p);
	ext2fs_set_feature_filetype(p);
	ext2fs_set_feature_extents(p);
	ext2fs_set_feature_flex_bg(p);
	ext2fs_set_feature_sparse_super(p);
	ext2fs_set_feature_large_file(p);
	ext2fs_set_feature_huge_file(p);
	ext2fs_set_feature_dir_nlink(p);
	ext2fs_set_feature_extra_isize(p);
	ext2fs_set_feature_metadata_csum(p);
	if (blocks >= BLOCKS_32BIT)
		ext2fs_set_feature_64bit(p);
}

/* Everything libext2fs leaves to the caller or takes from its surroundings. */
static void set_identity(ext2_filsys fs, const struct ext4_opts *o)
{
	struct ext2_super_block *s = fs->super;
	uint32_t now = (uint32_t)epoch(o);
	memcpy(s->s_uuid, o->uuid, sizeof o->uuid);
	memcpy(s->s_hash_seed, o->hash_seed, sizeof o->hash_seed);
	memset(s->s_volume_name, 0, sizeof s->s_volume_name);
	memcpy(s->s_volume_name, o->label, strnlen(o->label, sizeof s->s_volume_name));
	s->s_def_hash_version = 1;            /* half MD4 */
	s->s_flags |= EXT2_FLAGS_SIGNED_HASH; /* not the signedness of this machine's char */
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	s->s_min_extra_isize = s->s_want_extra_isize = 32;
	s->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	s->s_mkfs_time = s->s_wtime = s->s_lastcheck = now;
	s->s_mtime = 0;
	s->s_checkinterval = 0;
	s->s_max_mnt_count = -1;
	s->s_creator_os = EXT2_OS_LINUX;
	s->s_kbytes_written = 0;
	ext2fs_init_csum_seed(fs);
}

/* Lays out an empty file system of that many blocks: tables, reserved inodes and journal. 1: too small for its own tables or journal. */
static int layout(int fd, const struct ext4_opts *o, const struct needs *need, uint64_t blocks, ext2_filsys *ret_fs, struct diag *d)
{
	struct ext2_super_block param = { 0 };
	uint64_t by_size = o->read_only ? 0 : blocks * EXT4_BLOCK / BYTES_PER_INODE;
	/* Room for some new files also where the persona mounts its system writable. */
	uint64_t inodes = num_max(need->inodes + num_max(need->inodes / 8, 64), by_size);
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	char name[16];
	if (inodes >= UINT32_MAX)
		inodes = UINT32_MAX - GROUP_BLOCKS;
	param.s_log_block_size = param.s_log_cluster_size = 2; /* 1024 << 2 */
	param.s_rev_level = EXT2_DYNAMIC_REV;
	param.s_inode_size = 256;
	param.s_inodes_count = (uint32_t)inodes;
	param.s_log_groups_per_flex = 4;
	set_features(&param, blocks);
	ext2fs_blocks_count_set(&param, blocks);
	ext2fs_r_blocks_count_set(&param, o->read_only ? 0 : blocks / 100);
	(void)snprintf(name, sizeof name, "%d", fd);
	if (ftruncate(fd, 0) != 0) /* what an earlier try wrote must not show through */
		return diag_fail(d, MVP0403, NULL, "cannot size the work file of file system '%s': %s", o->label, strerror(errno));
	errcode_t err = ext2fs_initialize(name, EXT2_FLAG_64BITS, &param, &ext4_io_manager, &fs);
	if (err == EXT2_ET_TOOSMALL || err == EXT2_ET_INVALID_ARGUMENT || err == EXT2_ET_TOO_MANY_INODES)
		return 1;
	if (err || !fs)
		return ext4_failed("cannot lay out the file system", err, d);
	fs->now = epoch(o);
	set_identity(fs, o);
	err = ext2fs_allocate_tables(fs);
	if (err == EXT2_ET_BLOCK_ALLOC_FAIL)
		return 1;
	if (err)
		return ext4_failed("cannot place the file system's tables", err, d);
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		/* The tables read as zeros already: the kernel need not clear them when it first mounts. */
		ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, g);
	}
	for (ext2_ino_t ino = 1; ino < EXT2_GOOD_OLD_FIRST_INO; ino++)
		ext2fs_inode_alloc_stats2(fs, ino, +1, ino == EXT2_ROOT_INO);
	if (o->journal) {
		struct ext2fs_journal_params size = { .num_journal_blocks = (blk_t)journal_blocks(o, blocks) };
		if (size.num_journal_blocks == 0)
			return 1;
		err = ext2fs_add_journal_inode3(fs, &size, ~(blk64_t)0, EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
		if (err == EXT2_ET_BLOCK_ALLOC_FAIL)
			return 1;
		if (err)
			return ext4_failed("cannot place the journal", err, d);
	}
	*ret_fs = TAKE(fs);
	return 0;
}

/* Breaks in the free space may each split a file's extent, and so cost an extent block. */
static bool holds(ext2_filsys fs, const struct needs *need)
{
	uint64_t slack = fs->group_desc_count > 2 ? fs->group_desc_count : 0;
	return ext2fs_free_blocks_count(fs->super) >= need->blocks + need->headroom + slack && fs->super->s_inodes_count >= need->inodes;
}

/* Finds the smallest size (in steps of 1 MiB, nearly) that holds need, and lays it out. */
static int layout_auto(int fd, const struct ext4_opts *o, const struct needs *need, ext2_filsys *ret_fs, struct diag *d)
{
	const uint64_t step = MIB / EXT4_BLOCK;
	uint64_t content = need->blocks + need->headroom;
	uint64_t blocks = align_up(content + need->inodes / 14 + (o->journal ? 2048 : 0) + 16, step);
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
		int r = layout(fd, o, need, blocks, &fs, d);
		if (r < 0)
			return -1;
		if (r == 0 && fs && holds(fs, need) && ext2fs_blocks_count(fs->super) == blocks) {
			*ret_fs = TAKE(fs);
			return 0;
		}
		uint64_t missing = step;
		if (r == 0 && fs && ext2fs_free_blocks_count(fs->super) < content)
			missing = content - ext2fs_free_blocks_count(fs->super);
		else if (r == 1)
			missing = blocks / 4;
		blocks = align_up(blocks + num_max(missing, step), step);
	}
	return diag_fail(d, MVP0402, &o->loc, "no size was found for file system '%s'", o->label);
}

static int too_small(int fd, const struct ext4_opts *o, struct needs need, struct diag *d)
{
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	char given[TEXT_SIZE_LEN], needed[TEXT_SIZE_LEN];
	need.headroom = 0;
	if (layout_auto(fd, o, &need, &fs, d) < 0)
		return -1;
	(void)diag_fail(d, MVP0401, &o->loc, "file system '%s' is given %s, but needs %s", o->label, text_size(o->len, given),
			text_size(ext2fs_blocks_count(fs->super) * EXT4_BLOCK, needed));
	diag_hint(d, "give it at least %s, or 'size: auto'; %llu blocks of 4 KiB and %llu inodes are to be stored", needed,
		  (unsigned long long)need.blocks, (unsigned long long)need.inodes);
	return -1;
}

static int choose_layout(int fd, const struct ext4_opts *o, const struct needs *need, ext2_filsys *ret_fs, struct diag *d)
{
	if (o->len == 0)
		return layout_auto(fd, o, need, ret_fs, d);
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	int r = layout(fd, o, need, o->len / EXT4_BLOCK, &fs, d);
	if (r < 0)
		return -1;
	if (r > 0 || !fs || !holds(fs, need))
		return too_small(fd, o, *need, d);
	*ret_fs = TAKE(fs);
	return 0;
}

/* The blocks in use as extents. */
static struct extent *used_extents(ext2_filsys fs, size_t *ret_count)
{
	struct extent *v = NULL;
	size_t count = 0, cap = 0;
	blk64_t at = 0, last = ext2fs_blocks_count(fs->super) - 1, first, end;
	while (at <= last && ext2fs_find_first_set_block_bitmap2(fs->block_map, at, last, &first) == 0) {
		if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, first, last, &end) != 0)
			end = last + 1;
		mem_grow(&v, count, &cap, sizeof *v);
		v[count++] = (struct extent){ .at = first * EXT4_BLOCK, .len = (end - first) * EXT4_BLOCK, .data = true };
		at = end;
	}
	*ret_count = count;
	return v;
}

/* Ends the writing and composes the image. */
static int finish(struct ext4_writer *w, ext2_filsys *fs, int *fd, struct image **ret_img, struct diag *d)
{
	uint64_t len = w->opts->len ? w->opts->len : ext2fs_blocks_count((*fs)->super) * EXT4_BLOCK;
	size_t used_count;
	struct extent *used CLEANUP_FREE = used_extents(*fs, &used_count);
	errcode_t err = ext2fs_close_free(fs);
	if (err)
		return ext4_failed("cannot write the file system's tables", err, d);
	if (ftruncate(*fd, (off_t)len) != 0)
		return diag_fail(d, MVP0403, NULL, "cannot size the work file of file system '%s': %s", w->opts->label, strerror(errno));
	/* Most of the work file was never written. Read like the rest, the kernel would find memory for all of it and clear that. */
	struct image *meta = image_file(*fd, len, "the work file of a file system");
	*fd = -1;
	*ret_img = ext4_image(meta, w->tree ? tree_spool(w->tree) : NULL, TAKE(w->pieces), w->pieces_count, TAKE(used), used_count, len);
	return 0;
}

static int find_lost_found(struct ext4_writer *w, struct diag *d)
{
	const struct inode *root = w->tree ? tree_root(w->tree)->inode : NULL;
	for (size_t i = 0; root && i < root->children_count; i++) {
		if (strcmp(root->children[i]->name, "lost+found") != 0)
			continue;
		if (!S_ISDIR(root->children[i]->inode->mode))
			return diag_fail(d, MVP0404, &w->opts->loc, "'/lost+found' of the layers is no folder; e2fsck wants it to be one");
		w->own_lost_found = true;
	}
	return 0;
}

int ext4_build(const struct tree *tree, const struct ext4_opts *opts, struct image **ret_img, struct diag *d)
{
	struct ext4_writer w CLEANUP(writer_fini) = { .tree = tree, .opts = opts };
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	struct needs need = { 0 };
	if (find_lost_found(&w, d) < 0)
		return -1;
	if (ext4_count_blocks(&w, &need.blocks, d) < 0)
		return -1;
	need.inodes = ext4_inodes_used(&w);
	if (opts->len == 0)
		need.headroom = num_max(need.blocks / 10, HEADROOM_MIN);
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(opts->tmp_dir);
	if (fd < 0)
		return diag_fail(d, MVP0403, NULL, "cannot make a work file in '%s': %s", opts->tmp_dir, strerror(-fd));
	if (choose_layout(fd, opts, &need, &fs, d) < 0)
		return -1;
	w.fs = fs;
	if (ext4_write_tree(&w, d) < 0)
		return -1;
	return finish(&w, &fs, &fd, ret_img, d);
}

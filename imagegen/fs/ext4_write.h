/* Writing a tree's inodes, folders and extents into an ext4 file system that libext2fs has laid out. */
#ifndef IMAGEGEN_EXT4_WRITE_H
#define IMAGEGEN_EXT4_WRITE_H

#include <ext2fs/ext2fs.h>

#include "imagegen/base/diag.h"
#include "imagegen/fs/ext4.h"
#include "imagegen/fs/ext4_dir.h"
#include "imagegen/layer/node.h"

/* Blocks of the image that are blocks of the spool. */
struct ext4_piece {
	uint64_t at, len; /* bytes in the image */
	uint64_t spool_at;
};

struct ext4_writer {
	ext2_filsys fs;          /* NULL while planning */
	const struct tree *tree; /* NULL: empty */
	const struct ext4_opts *opts;
	bool own_lost_found;       /* the tree brings /lost+found */
	uint64_t cursor;           /* block from which on free ones are looked for */
	struct ext4_piece *pieces; /* ascending */
	size_t pieces_count, pieces_cap;
};

/* Inode numbers in use, the reserved ones included. */
uint32_t ext4_inodes_used(const struct ext4_writer *w);
/* Blocks that the tree's contents, folders, links, extents and attributes take, at most. */
MUST_USE int ext4_count_blocks(struct ext4_writer *w, uint64_t *ret_blocks, struct diag *d);
/* Writes all of it. What ext4_count_blocks promised must be free. */
MUST_USE int ext4_write_tree(struct ext4_writer *w, struct diag *d);

/* Reports a failure of libext2fs. */
int ext4_failed(const char *what, errcode_t err, struct diag *d);

#endif

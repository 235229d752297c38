/* ext4 file systems by libext2fs: no root, no mount; equal input gives equal bytes. */
#ifndef IMAGEGEN_EXT4_H
#define IMAGEGEN_EXT4_H

#include "imagegen/layer/tree.h"

struct ext4_opts {
	const char *label; /* volume name, at most 16 bytes */
	uint8_t uuid[16];
	uint8_t hash_seed[16];
	uint64_t len; /* bytes, a multiple of 4096; 0: content plus headroom, rounded up to 1 MiB */
	bool journal;
	bool read_only;      /* a system partition: no reserved blocks, no lost+found growth room */
	int64_t epoch;       /* seconds: the file system's own times; files keep their mtime, clamped to it */
	const char *tmp_dir; /* for the unlinked backing file */
	struct loc loc;      /* where the manifest gave the size */
};

/* tree may be NULL: an empty file system. The image's extents are the blocks in use (from the block bitmap), all else is a hole. */
MUST_USE int ext4_build(const struct tree *tree, const struct ext4_opts *opts, struct image **ret_img, struct diag *d);

#endif

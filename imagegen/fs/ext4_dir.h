/* Blocks of ext4 folders, with a hash index (htree) when there is more than one. */
#ifndef IMAGEGEN_EXT4_DIR_H
#define IMAGEGEN_EXT4_DIR_H

#include "imagegen/base/buf.h"

#define EXT4_BLOCK 4096

struct dir_entry {
	const char *name; /* 1..255 bytes */
	uint32_t ino;
	uint8_t type;         /* EXT2_FT_* */
	uint32_t hash, minor; /* dir_build's own */
};

/* Appends the folder's blocks to out, room for their checksums included; entries are sorted anew if an index is made. min_blocks: empty
 * ones follow until there are as many (without an index). false: memory ran out. */
MUST_USE bool dir_build(uint32_t self, uint32_t parent, struct dir_entry *entries, size_t entries_count, const uint8_t hash_seed[16],
			size_t min_blocks, struct buf *out, bool *ret_indexed);

#endif

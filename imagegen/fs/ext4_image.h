/* The finished file system as an image: metadata from its work file, file contents straight from the layers' spool. */
#ifndef IMAGEGEN_EXT4_IMAGE_H
#define IMAGEGEN_EXT4_IMAGE_H

#include "imagegen/base/image.h"
#include "imagegen/fs/ext4_write.h"

/* used: the blocks in use, ascending data extents. pieces: which of them lie in the spool, ascending. meta holds the rest at its own place.
 * spool may be NULL without pieces; a reference is taken. */
struct image *ext4_image(struct image *meta TAKES, struct image *spool, struct ext4_piece *pieces TAKES, size_t pieces_count,
			 struct extent *used TAKES, size_t used_count, uint64_t len);

#endif

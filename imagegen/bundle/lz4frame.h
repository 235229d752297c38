/* LZ4 frames (LZ4 Frame Format 1.6) as Samsung's download mode takes them: independent blocks of 1 MiB, the content's size, a checksum of
 * the content. liblz4's own frame writer hashes the content at a fifth of libxxhash's speed and copies what it stores. Internal to
 * imagegen/bundle. */
#ifndef IMAGEGEN_LZ4FRAME_H
#define IMAGEGEN_LZ4FRAME_H

#include "imagegen/sparse/sparse.h"

struct lz4frame; /* writes one frame after the other; not thread-safe */
struct lz4frame *lz4frame_new(void);
/* Of the library: where it differs, so may the bytes of frames. */
const char *lz4frame_version(void);
void lz4frame_free(struct lz4frame *f); /* NULL is fine */
DEFINE_FREEP(struct lz4frame, lz4frame_free)

/* A frame of content_len bytes. stored: nothing is compressed, which ciphertext only gets longer by. What sink points to must live until
 * lz4frame_end(). */
MUST_USE int lz4frame_begin(struct lz4frame *f, const struct sparse_sink *sink, uint64_t content_len, bool stored, struct diag *d);
MUST_USE int lz4frame_write(struct lz4frame *f, const void *data, size_t len, struct diag *d);
MUST_USE int lz4frame_end(struct lz4frame *f, struct diag *d);

uint64_t lz4frame_stored_len(uint64_t content_len); /* bytes of a frame that stores its content */

#endif

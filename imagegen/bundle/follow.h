/* Hashing a file behind its writer's back, by SHA-256 and MD5: a thread reads what is final, which the page cache still has, and hashes it.
 * Some formats fill in a header when what follows it is written; so nobody waits for the digests but for those of the last such piece.
 * Digests on their way can be kept, and taken up by a later file that begins with the same bytes. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_FOLLOW_H
#define IMAGEGEN_FOLLOW_H

#include "imagegen/base/base.h"

enum { FOLLOW_MD5_LEN = 16, FOLLOW_SHA256_LEN = 32, FOLLOW_MARKS = 16 };
#define FOLLOW_BLOCK 64 /* of both digests */

struct follow;

/* fd is borrowed and must outlive the result. */
struct follow *follow_new(int fd);
/* The file's bytes before at will not change any more. at never gets smaller. */
void follow_to(struct follow *f, uint64_t at);

/* What has been hashed after so many bytes, a multiple of FOLLOW_BLOCK. */
struct follow_state {
	uint64_t at;
	uint8_t words[FOLLOW_MD5_LEN + FOLLOW_SHA256_LEN]; /* little-endian numbers of 32 bits */
};
/* Keeps the state at byte at, beyond all that was called final so far; of the first FOLLOW_MARKS of them. */
void follow_mark(struct follow *f, uint64_t at);
/* Takes what lies before s->at for hashed, instead of reading it. Nothing behind it is called final yet. */
void follow_skip(struct follow *f, const struct follow_state *s);
/* After follow_end(): the states that were kept, in order. */
const struct follow_state *follow_states(const struct follow *f, size_t *ret_count);

/* The digests of the first len bytes, all of them final; waits for them. 0 or -errno. f takes nothing more but another such call for a
 * longer file. */
MUST_USE int follow_end(struct follow *f, uint64_t len, uint8_t ret_md5[FOLLOW_MD5_LEN], uint8_t ret_sha256[FOLLOW_SHA256_LEN]);
void follow_free(struct follow *f); /* NULL is fine */
DEFINE_FREEP(struct follow, follow_free)

#endif

/* Hashing a file behind its writer's back: a thread reads what is final, which the page cache still has, and hashes it. Some formats fill
 * in a header when what follows it is written; so nobody waits for the digest but for that of the last such piece. Internal to
 * imagegen/bundle. */
#ifndef IMAGEGEN_FOLLOW_H
#define IMAGEGEN_FOLLOW_H

#include <openssl/evp.h>

#include "imagegen/base/base.h"

struct follow;

/* fd is borrowed and must outlive the result. */
struct follow *follow_new(int fd, const EVP_MD *md);
/* The file's bytes before at will not change any more. at never gets smaller. */
void follow_to(struct follow *f, uint64_t at);
/* The digest of the first len bytes, all of them final; waits for it. 0 or -errno. f takes nothing more. */
MUST_USE int follow_end(struct follow *f, uint64_t len, uint8_t *ret_digest);
void follow_free(struct follow *f); /* NULL is fine */
DEFINE_FREEP(struct follow, follow_free)

#endif

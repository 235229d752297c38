/* The digests of an archive that is written in one pass. What a build keeps of them in the cache lets the next one take up the digests
 * where the archives begin to differ: by the identities of the members in front, and checked by a CRC-32 of what was really written.
 * Internal to imagegen/bundle. */
#ifndef IMAGEGEN_PREFIX_H
#define IMAGEGEN_PREFIX_H

#include "imagegen/base/base.h"

struct cache;
struct prefix;

/* fd, the archive, is borrowed, as is cache, which may be NULL; both must outlive the result. */
struct prefix *prefix_new(int fd, struct cache *cache);
void prefix_free(struct prefix *p); /* NULL is fine */
DEFINE_FREEP(struct prefix, prefix_free)

/* Bytes that were appended to the archive; between members they are final. */
void prefix_put(struct prefix *p, const void *data, size_t len);
/* They are part of what identifies the archive up to here. */
void prefix_name(struct prefix *p, const void *data, size_t len);

/* A member follows, whose header of header_len bytes may be known only when its content has been put. */
struct prefix_member {
	const uint8_t *id; /* of its content, 32 bytes; NULL: unknown, and what comes behind it has no identity either */
	const char *name;
	uint64_t len;
	bool stored;
	int64_t epoch;
};
void prefix_begin(struct prefix *p, const struct prefix_member *m, size_t header_len);
void prefix_front(struct prefix *p, const void *header, size_t len); /* the header, which is written now */
void prefix_settle(struct prefix *p);                                /* with its header written, what has been put of it is final */
void prefix_joined(struct prefix *p);                                /* its content has been put; padding may follow */
void prefix_end(struct prefix *p);

/* The digest of all that was put; the second also keeps what the next build may want. 0 or -errno. */
MUST_USE int prefix_md5(struct prefix *p, uint8_t ret[16]);
MUST_USE int prefix_sha256(struct prefix *p, uint8_t ret[32]);

#endif

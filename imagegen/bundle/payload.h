/* Payloads of A/B updates: 'CrAU' version 2, whose manifest is protocol buffers (update_engine's update_metadata.proto). The manifest
 * is written and read here; what its operations do is in payload_read.c, packages are in ota.c. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_PAYLOAD_H
#define IMAGEGEN_PAYLOAD_H

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"

enum {
	PAYLOAD_HEAD_LEN = 24,
	PAYLOAD_BLOCK = 4096,
	PAYLOAD_CHUNK = 2 << 20, /* what one operation writes at most: each is unpacked alone */
	PAYLOAD_FULL = 0,        /* minor versions of the format */
	PAYLOAD_DELTA = 4,       /* the first with SOURCE_COPY, digests of sources and ZERO */
};

enum payload_type {
	PAYLOAD_REPLACE = 0,
	PAYLOAD_REPLACE_BZ = 1,
	PAYLOAD_SOURCE_COPY = 4,
	PAYLOAD_ZERO = 6,
	PAYLOAD_DISCARD = 7,
	PAYLOAD_REPLACE_XZ = 8,
};
const char *payload_type_name(uint64_t type); /* NULL: not known */

struct payload_extent {
	uint64_t start, count; /* blocks */
};
struct payload_extents {
	struct payload_extent *v;
	size_t count, cap;
};

struct payload_op {
	uint64_t type;              /* enum payload_type, or what a stranger wrote */
	uint64_t data_at, data_len; /* bytes, from the first blob's start */
	struct payload_extents src, dst;
	bool has_data_sha256, has_src_sha256;
	uint8_t data_sha256[32], src_sha256[32];
};

struct payload_part {
	char *name;    /* without the slot's suffix */
	char *version; /* NULL: none */
	bool has_old, has_new;
	uint64_t old_len, new_len; /* bytes of the images */
	uint8_t old_sha256[32], new_sha256[32];
	struct payload_op *ops;
	size_t ops_count, ops_cap;
};

struct payload {
	uint64_t block_len, minor;
	uint64_t signatures_at, signatures_len; /* like blobs; length 0: the payload is not signed */
	uint64_t max_timestamp;
	char *patch_level; /* NULL: none */
	struct payload_part *parts;
	size_t parts_count, parts_cap;
	/* Logical partitions; written, and not read. */
	const char *group; /* NULL: there are none */
	uint64_t group_len;
	const char *const *logical;
	size_t logical_count;
	bool snapshots;
};
void payload_fini(struct payload *p); /* not what is only written */

void payload_emit(const struct payload *p, struct buf *out); /* the manifest */
void payload_emit_head(uint64_t manifest_len, uint32_t signature_len, struct buf *out);
/* The message that holds a signature; len 0: nothing. */
void payload_emit_signatures(const uint8_t *signature, size_t len, struct buf *out);

struct payload_head {
	uint64_t manifest_len;
	uint32_t signature_len; /* of the metadata's Signatures message */
};
bool payload_is(const uint8_t *data, size_t len);
/* What is wrong with it; NULL: nothing. len: bytes of the whole payload. */
const char *payload_parse_head(const uint8_t head[PAYLOAD_HEAD_LEN], uint64_t len, struct payload_head *ret);
/* A manifest from a stranger: every operation inside its partition, blobs_len bytes and the limits of memory. ret may be filled in also on
 * failure. NULL: it is sound. */
const char *payload_parse(const uint8_t *data, size_t len, uint64_t blobs_len, struct payload *ret);
/* The signatures of a Signatures message, at most max; where they lie in data. False: it is damaged. */
struct payload_signature {
	const uint8_t *data;
	size_t len;
};
bool payload_parse_signatures(const uint8_t *data, size_t len, struct payload_signature *ret, size_t max, size_t *ret_count);

void payload_extend(struct payload_extents *e, uint64_t start, uint64_t count); /* joined to the last one where they touch */
uint64_t payload_blocks(const struct payload_extents *e);                       /* of a stranger's: at most 2^50 */

/* Protocol buffers, wire types 0, 2 and 5 (protobuf.dev, "Encoding"). */
void wire_number(struct buf *b, unsigned field, uint64_t v);
void wire_bytes(struct buf *b, unsigned field, const void *data, size_t len);
void wire_text(struct buf *b, unsigned field, const char *s); /* NULL: nothing */
void wire_message(struct buf *b, unsigned field, const struct buf *message);

#endif

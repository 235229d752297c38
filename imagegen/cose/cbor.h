/* CBOR (RFC 8949) in its deterministic encoding (4.2.1): integers, strings, arrays, maps and tags. Anything else, a longer form than needed
 * or an indefinite length is refused. Nothing recurses: the caller knows what has to follow. */
#ifndef IMAGEGEN_CBOR_H
#define IMAGEGEN_CBOR_H

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"

enum cbor_major { CBOR_UINT = 0, CBOR_NINT = 1, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5, CBOR_TAG = 6 };

/* The first thing that does not fit sticks: bad is set, and whatever is read after it is 0 or empty. */
struct cbor_reader {
	const uint8_t *data; /* borrowed */
	size_t len, at;
	bool bad;
};
#define CBOR_READER(bytes, bytes_len) ((struct cbor_reader){ .data = (bytes), .len = (bytes_len) })

/* An item's head: the value of an integer (a CBOR_NINT is -1 - value), the count of items or of pairs, the number of a tag. */
uint64_t cbor_read(struct cbor_reader *r, enum cbor_major major);
/* A string of min to max bytes, borrowed from the data; a text is UTF-8. NULL when bad. */
const uint8_t *cbor_read_string(struct cbor_reader *r, enum cbor_major major, size_t min, size_t max, size_t *ret_len);
/* The next key of a map whose keys are unsigned integers, above the last one. */
uint64_t cbor_read_key(struct cbor_reader *r, uint64_t last);
/* All was read, and nothing was bad. */
bool cbor_read_all(const struct cbor_reader *r);

/* Both return what buf_append() does. */
int cbor_write(struct buf *b, enum cbor_major major, uint64_t value);
int cbor_write_string(struct buf *b, enum cbor_major major, const void *data, size_t len);

#endif

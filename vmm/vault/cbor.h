/* CBOR (RFC 8949) in its deterministic encoding (4.2.1), as far as the messages of mvp/order.h need it: integers, byte and text strings,
 * arrays, maps and tags. No floats, no indefinite lengths, no recursion. Portable. */
#ifndef VAULT_CBOR_H
#define VAULT_CBOR_H

#include "lib.h"

enum cbor_type { CBOR_UINT = 0, CBOR_NINT = 1, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5, CBOR_TAG = 6 };

/* Reading: whatever does not fit makes the reader bad, and all that follows fails. */
struct cbor_in {
	const uint8_t *data;
	size_t len, at;
	bool bad;
};
struct cbor_in cbor_in(const uint8_t *data, size_t len);
/* The head of an item of this type: its value, or its count of items (a map: of pairs). 0 when bad. */
uint64_t cbor_get(struct cbor_in *in, enum cbor_type type);
/* A byte string or a text, which is valid UTF-8: borrowed from the data. */
const uint8_t *cbor_get_string(struct cbor_in *in, enum cbor_type type, size_t *ret_len);
bool cbor_is_end(const struct cbor_in *in); /* all was read, and well formed */

/* Writing: what does not fit makes the writer full, and the result worthless. */
struct cbor_out {
	uint8_t *data;
	size_t size, len;
	bool full;
};
struct cbor_out cbor_out(uint8_t *data, size_t size);
void cbor_put(struct cbor_out *out, enum cbor_type type, uint64_t value); /* the value of a CBOR_NINT is -1 - value */
void cbor_put_string(struct cbor_out *out, enum cbor_type type, const void *data, size_t len);

#endif

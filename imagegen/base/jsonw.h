/* Writes JSON (RFC 8259) into a buffer, item by item. Inside an object every item has a key; inside an array key is NULL.
 * Text that is not UTF-8 gets U+FFFD for each bad byte, so that the output always parses. */
#ifndef IMAGEGEN_JSONW_H
#define IMAGEGEN_JSONW_H

#include "imagegen/base/buf.h"

#define JSONW_DEPTH_MAX 32

struct jsonw {
	struct buf *out; /* borrowed */
	unsigned depth;
	bool pretty;                  /* one item a line; else all in one line */
	bool filled[JSONW_DEPTH_MAX]; /* something was written at this depth */
	char closers[JSONW_DEPTH_MAX];
};

#define JSONW_INIT(buf, is_pretty) ((struct jsonw){ .out = (buf), .pretty = (is_pretty) })

void jsonw_object(struct jsonw *j, const char *key);
void jsonw_array(struct jsonw *j, const char *key);
void jsonw_end(struct jsonw *j); /* of the innermost object or array; the outermost one ends with a line feed */

void jsonw_string(struct jsonw *j, const char *key, const char *s);                          /* null for NULL */
void jsonw_format(struct jsonw *j, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4); /* a string */
void jsonw_uint(struct jsonw *j, const char *key, uint64_t v);
void jsonw_int(struct jsonw *j, const char *key, int64_t v);
void jsonw_bool(struct jsonw *j, const char *key, bool v);
void jsonw_null(struct jsonw *j, const char *key);
void jsonw_hex(struct jsonw *j, const char *key, const uint8_t *data, size_t len);

/* The outermost object with its first two members: "schema" (like "mvp.build") and "version". Ended by jsonw_end. */
void jsonw_document(struct jsonw *j, const char *schema, unsigned version);

#endif

#include "imagegen/base/jsonw.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"

/* Errors stick in the buffer and are checked there. */

static void put_string(struct jsonw *j, const char *s)
{
	size_t len = strlen(s);
	buf_putc(j->out, '"');
	while (len) {
		size_t n = text_utf8_len(s, len);
		unsigned char c = (unsigned char)*s;
		if (n == 0) {
			buf_puts(j->out, "\xef\xbf\xbd");
			n = 1;
		} else if (c == '"' || c == '\\') {
			buf_putc(j->out, '\\');
			buf_putc(j->out, (char)c);
		} else if (c == '\n') {
			buf_puts(j->out, "\\n");
		} else if (c == '\t') {
			buf_puts(j->out, "\\t");
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(j->out, "\\u%04x", c);
		} else {
			buf_append(j->out, s, n);
		}
		s += n;
		len -= n;
	}
	buf_putc(j->out, '"');
}

static void new_line(struct jsonw *j)
{
	if (!j->pretty)
		return;
	buf_putc(j->out, '\n');
	for (unsigned i = 0; i < j->depth; i++)
		buf_puts(j->out, "  ");
}

static void before(struct jsonw *j, const char *key)
{
	if (j->depth == 0)
		return;
	assert((key != NULL) == (j->closers[j->depth - 1] == '}'));
	if (j->filled[j->depth - 1])
		buf_putc(j->out, ',');
	j->filled[j->depth - 1] = true;
	new_line(j);
	if (key) {
		put_string(j, key);
		buf_puts(j->out, j->pretty ? ": " : ":");
	}
}

static void open_level(struct jsonw *j, const char *key, char opener, char closer)
{
	before(j, key);
	assert(j->depth < JSONW_DEPTH_MAX);
	buf_putc(j->out, opener);
	j->closers[j->depth] = closer;
	j->filled[j->depth++] = false;
}

void jsonw_object(struct jsonw *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void jsonw_array(struct jsonw *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void jsonw_end(struct jsonw *j)
{
	assert(j->depth > 0);
	j->depth--;
	if (j->filled[j->depth])
		new_line(j);
	buf_putc(j->out, j->closers[j->depth]);
	if (j->depth == 0)
		buf_putc(j->out, '\n');
}

void jsonw_string(struct jsonw *j, const char *key, const char *s)
{
	if (!s) {
		jsonw_null(j, key);
		return;
	}
	before(j, key);
	put_string(j, s);
}

void jsonw_format(struct jsonw *j, const char *key, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s CLEANUP_FREE = mem_vprintf(fmt, ap);
	va_end(ap);
	jsonw_string(j, key, s);
}

void jsonw_uint(struct jsonw *j, const char *key, uint64_t v)
{
	before(j, key);
	buf_printf(j->out, "%" PRIu64, v);
}

void jsonw_int(struct jsonw *j, const char *key, int64_t v)
{
	before(j, key);
	buf_printf(j->out, "%" PRId64, v);
}

void jsonw_bool(struct jsonw *j, const char *key, bool v)
{
	before(j, key);
	buf_puts(j->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *j, const char *key)
{
	before(j, key);
	buf_puts(j->out, "null");
}

void jsonw_hex(struct jsonw *j, const char *key, const uint8_t *data, size_t len)
{
	char *s CLEANUP_FREE = mem_zeroed(len + 1, 2);
	jsonw_string(j, key, text_hex(data, len, s));
}

void jsonw_document(struct jsonw *j, const char *schema, unsigned version)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "schema", schema);
	jsonw_uint(j, "version", version);
}

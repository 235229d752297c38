#include "imagegen/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = BUF_MAX(b->max);
}

const char *buf_str(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
	if (b->error)
		return NULL;
	uint8_t *p = b->data ? b->data : mem_zeroed(1, 1);
	if (ret_len)
		*ret_len = b->len;
	*b = BUF_MAX(b->max);
	return p;
}

static int fail(struct buf *b, int error)
{
	size_t max = b->max;
	free(b->data);
	*b = (struct buf){ .max = max, .error = error };
	return error;
}

/* Room for len more bytes and the NUL behind them. */
static int room(struct buf *b, size_t len)
{
	if (b->error)
		return b->error;
	if (len > b->max - b->len)
		return fail(b, -EFBIG);
	size_t need = b->len + len + 1;
	if (need == 0)
		return fail(b, -EFBIG);
	if (need <= b->cap)
		return 0;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	if (cap < need)
		cap = need;
	uint8_t *p = realloc(b->data, cap);
	if (!p)
		return fail(b, -ENOMEM);
	b->data = p;
	b->cap = cap;
	return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	if (room(b, len) < 0)
		return NULL;
	uint8_t *p = b->data + b->len;
	memset(p, 0, len + 1);
	b->len += len;
	return p;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int r = room(b, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return fail(b, -ENOMEM);
	int r = room(b, (size_t)n);
	if (r < 0)
		return r;
	(void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

int buf_zeros(struct buf *b, size_t len)
{
	return buf_reserve(b, len) ? 0 : b->error;
}

int buf_align(struct buf *b, size_t unit)
{
	size_t rest = b->len % unit;
	return rest ? buf_zeros(b, unit - rest) : b->error;
}

int buf_le16(struct buf *b, uint16_t v)
{
	uint8_t p[2];
	put_le16(p, v);
	return buf_append(b, p, sizeof(p));
}

int buf_le32(struct buf *b, uint32_t v)
{
	uint8_t p[4];
	put_le32(p, v);
	return buf_append(b, p, sizeof(p));
}

int buf_le64(struct buf *b, uint64_t v)
{
	uint8_t p[8];
	put_le64(p, v);
	return buf_append(b, p, sizeof(p));
}

int buf_be16(struct buf *b, uint16_t v)
{
	uint8_t p[2];
	put_be16(p, v);
	return buf_append(b, p, sizeof(p));
}

int buf_be32(struct buf *b, uint32_t v)
{
	uint8_t p[4];
	put_be32(p, v);
	return buf_append(b, p, sizeof(p));
}

int buf_be64(struct buf *b, uint64_t v)
{
	uint8_t p[8];
	put_be64(p, v);
	return buf_append(b, p, sizeof(p));
}

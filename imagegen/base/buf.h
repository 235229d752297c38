/* A growable run of bytes with a ceiling. The first failure sticks: the content is dropped and every later call fails, so a writer of many
 * pieces checks once, at the end, with buf_error(). */
#ifndef IMAGEGEN_BUF_H
#define IMAGEGEN_BUF_H

#include <stdarg.h>

#include "imagegen/base/base.h"

struct buf {
	uint8_t *data; /* always followed by a NUL that len does not count, once anything was appended */
	size_t len, cap, max;
	int error; /* 0, -EFBIG (over max) or -ENOMEM */
};

#define BUF_MAX(max_len) ((struct buf){ .max = (max_len) })
#define BUF_INIT BUF_MAX((size_t)64 << 20) /* text that this program writes itself */

void buf_fini(struct buf *b); /* frees; the ceiling stays, the buffer can be used again */
static inline int buf_error(const struct buf *b)
{
	return b->error;
}
const char *buf_str(const struct buf *b);          /* the content as a string; "" when empty. Valid until the next call that changes b */
uint8_t *buf_take(struct buf *b, size_t *ret_len); /* hands the bytes (malloc'd, never NULL unless error) over and leaves b empty */

/* 0, or the sticking error. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
int buf_zeros(struct buf *b, size_t len);
int buf_align(struct buf *b, size_t unit);       /* zeros up to a multiple of unit */
uint8_t *buf_reserve(struct buf *b, size_t len); /* len zero bytes at the end, to be filled in; NULL on error. Valid until the next call */

int buf_le16(struct buf *b, uint16_t v);
int buf_le32(struct buf *b, uint32_t v);
int buf_le64(struct buf *b, uint64_t v);
int buf_be16(struct buf *b, uint16_t v);
int buf_be32(struct buf *b, uint32_t v);
int buf_be64(struct buf *b, uint64_t v);

#endif

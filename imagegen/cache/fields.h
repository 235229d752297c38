/* Numbers and texts in the payload of an entry, which may be damaged: each read says whether it was there. */
#ifndef IMAGEGEN_CACHE_FIELDS_H
#define IMAGEGEN_CACHE_FIELDS_H

#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"

/* All take bytes off the front of *data. */
MUST_USE static inline bool fields_take(const uint8_t **data, size_t *len, uint64_t want, const uint8_t **ret)
{
	if (want > *len)
		return false;
	*ret = *data;
	*data += want;
	*len -= (size_t)want;
	return true;
}

MUST_USE static inline bool fields_num(const uint8_t **data, size_t *len, uint64_t *ret)
{
	const uint8_t *p;
	if (!fields_take(data, len, 8, &p))
		return false;
	*ret = get_le64(p);
	return true;
}

/* Malloc'd. */
MUST_USE static inline bool fields_str(const uint8_t **data, size_t *len, char **ret)
{
	const uint8_t *p;
	uint64_t n;
	if (!fields_num(data, len, &n) || !fields_take(data, len, n, &p) || memchr(p, 0, (size_t)n))
		return false;
	*ret = mem_strndup((const char *)p, (size_t)n);
	return true;
}

static inline void fields_put_str(struct buf *b, const char *s)
{
	buf_le64(b, strlen(s));
	buf_puts(b, s);
}

#endif

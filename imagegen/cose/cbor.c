#include "imagegen/cose/cbor.h"

#include "imagegen/base/text.h"

enum { DIRECT_MAX = 23 }; /* the largest value inside the first byte; 24 to 27: 1, 2, 4 or 8 bytes follow it (RFC 8949, 3) */

static uint64_t fail(struct cbor_reader *r)
{
	r->bad = true;
	return 0;
}

uint64_t cbor_read(struct cbor_reader *r, enum cbor_major major)
{
	if (r->bad || r->at >= r->len)
		return fail(r);
	unsigned first = r->data[r->at], info = first & 31;
	if (first >> 5 != major || info > 27)
		return fail(r);
	size_t more = info <= DIRECT_MAX ? 0 : (size_t)1 << (info - 24);
	if (more > r->len - r->at - 1)
		return fail(r);
	uint64_t value = more ? 0 : info;
	for (size_t i = 1; i <= more; i++)
		value = value << 8 | r->data[r->at + i];
	/* A shorter form would have held it. */
	if ((more == 1 && value <= DIRECT_MAX) || (more > 1 && value >> (more * 4) == 0))
		return fail(r);
	r->at += 1 + more;
	return value;
}

static bool is_utf8(const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = text_utf8_len((const char *)data + at, len - at);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

const uint8_t *cbor_read_string(struct cbor_reader *r, enum cbor_major major, size_t min, size_t max, size_t *ret_len)
{
	uint64_t len = cbor_read(r, major);
	const uint8_t *data = r->data + r->at;
	*ret_len = 0;
	if (r->bad || len > r->len - r->at || len < min || len > max || (major == CBOR_TEXT && !is_utf8(data, (size_t)len))) {
		r->bad = true;
		return NULL;
	}
	r->at += (size_t)len;
	*ret_len = (size_t)len;
	return data;
}

uint64_t cbor_read_key(struct cbor_reader *r, uint64_t last)
{
	uint64_t key = cbor_read(r, CBOR_UINT);
	return key > last ? key : fail(r);
}

bool cbor_read_all(const struct cbor_reader *r)
{
	return !r->bad && r->at == r->len;
}

int cbor_write(struct buf *b, enum cbor_major major, uint64_t value)
{
	unsigned log = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
	uint8_t head[9];
	size_t len = 1;
	if (value <= DIRECT_MAX) {
		head[0] = (uint8_t)(major << 5 | value);
	} else {
		head[0] = (uint8_t)(major << 5 | (24 + log));
		for (unsigned left = 1u << log; left-- > 0;)
			head[len++] = (uint8_t)(value >> (8 * left));
	}
	return buf_append(b, head, len);
}

int cbor_write_string(struct buf *b, enum cbor_major major, const void *data, size_t len)
{
	(void)cbor_write(b, major, len); /* its error sticks */
	return buf_append(b, data, len);
}

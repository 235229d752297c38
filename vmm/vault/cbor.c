#include "cbor.h"

struct cbor_in cbor_in(const uint8_t *data, size_t len)
{
	return (struct cbor_in){ .data = data, .len = len };
}

/* Bytes of the argument behind a head (RFC 8949, 3): 0 when it is in the head itself, SIZE_MAX when the form is not ours. */
static size_t argument_len(unsigned info)
{
	return info < 24 ? 0 : info < 28 ? (size_t)1 << (info - 24) : SIZE_MAX;
}

uint64_t cbor_get(struct cbor_in *in, enum cbor_type type)
{
	if (in->bad || in->at == in->len || in->data[in->at] >> 5 != type) {
		in->bad = true;
		return 0;
	}
	unsigned info = in->data[in->at] & 31u;
	size_t more = argument_len(info);
	if (more > in->len - in->at - 1) {
		in->bad = true;
		return 0;
	}
	uint64_t value = more ? 0 : info;
	for (size_t i = 0; i < more; i++)
		value = value << 8 | in->data[in->at + 1 + i];
	/* The shortest form only: a longer one says a number that would have fit the next shorter. */
	uint64_t least = more == 1 ? 24 : more ? 1ull << (4 * more) : 0;
	if (value < least) {
		in->bad = true;
		return 0;
	}
	in->at += 1 + more;
	return value;
}

static bool is_continuation(const uint8_t *s, size_t len, size_t count)
{
	if (len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const uint8_t *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint8_t c = s[i++];
		if (c < 0x80)
			continue;
		size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		if (c < 0xc2 || c > 0xf4 || !is_continuation(s + i, len - i, more))
			return false;
		uint8_t next = s[i];
		if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
			return false;
		i += more;
	}
	return true;
}

const uint8_t *cbor_get_string(struct cbor_in *in, enum cbor_type type, size_t *ret_len)
{
	uint64_t len = cbor_get(in, type);
	const uint8_t *s = in->data + in->at;
	if (!in->bad && (len > in->len - in->at || (type == CBOR_TEXT && !is_utf8(s, (size_t)len))))
		in->bad = true;
	*ret_len = in->bad ? 0 : (size_t)len;
	in->at += *ret_len;
	return s;
}

bool cbor_is_end(const struct cbor_in *in)
{
	return !in->bad && in->at == in->len;
}

struct cbor_out cbor_out(uint8_t *data, size_t size)
{
	return (struct cbor_out){ .data = data, .size = size };
}

static void put_byte(struct cbor_out *out, uint8_t c)
{
	if (out->len == out->size)
		out->full = true;
	else
		out->data[out->len++] = c;
}

void cbor_put(struct cbor_out *out, enum cbor_type type, uint64_t value)
{
	unsigned more = value < 24 ? 0 : value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : value <= UINT32_MAX ? 4 : 8;
	unsigned info = more == 0 ? (unsigned)value : more == 1 ? 24 : more == 2 ? 25 : more == 4 ? 26 : 27;
	put_byte(out, (uint8_t)(type << 5 | info));
	while (more)
		put_byte(out, (uint8_t)(value >> (8 * --more)));
}

void cbor_put_string(struct cbor_out *out, enum cbor_type type, const void *data, size_t len)
{
	cbor_put(out, type, len);
	if (out->full || len > out->size - out->len) {
		out->full = true;
		return;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
}

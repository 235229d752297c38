#include "base64.h"

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t len, uint8_t *ret, size_t size, size_t *ret_len)
{
	size_t padding = len && text[len - 1] == '=' ? (len > 1 && text[len - 2] == '=' ? 2 : 1) : 0;
	uint32_t bits = 0;
	if (len % 4 || len / 4 * 3 - padding > size)
		return false;
	*ret_len = 0;
	for (size_t i = 0; i < len; i++) {
		int v = i < len - padding ? value_of(text[i]) : 0;
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 3)
			continue;
		size_t last = i == len - 1 ? padding : 0;
		/* What is cut off must be zero. */
		if (bits & ((1u << (8 * last)) - 1) & 0xffff)
			return false;
		for (size_t k = 0; k < 3 - last; k++)
			ret[(*ret_len)++] = (uint8_t)(bits >> (16 - 8 * k));
		bits = 0;
	}
	return true;
}

size_t base64_encode(const uint8_t *data, size_t len, char *ret, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	if (len > size || (len + 2) / 3 * 4 > size)
		return 0;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) | (i + 2 < len ? data[i + 2] : 0u);
		for (unsigned k = 0; k < 4; k++)
			ret[n++] = i + k > len ? '=' : digits[bits >> (18 - 6 * k) & 63];
	}
	return n;
}

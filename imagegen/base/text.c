#include "imagegen/base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64 /* longer words are not worth a suggestion */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

/* Optimal string alignment distance by three rolling rows. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *prev = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		prev[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
			row[j] = min3(prev[j] + 1, row[j - 1] + 1, prev[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && cb == tolower((unsigned char)a[i - 2]) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *t = before;
		before = prev;
		prev = row;
		row = t;
	}
	return prev[b_len];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t candidates_count)
{
	size_t len = strlen(word);
	if (len == 0 || len > WORD_MAX)
		return NULL;
	const char *best = NULL;
	unsigned best_distance =
		len <= 2 ? 2 : (unsigned)(len + 1) / 3 + 1; /* exclusive; one letter in four is a slip, two are another word */
	for (size_t i = 0; i < candidates_count; i++) {
		size_t n = strlen(candidates[i]);
		if (n > WORD_MAX)
			continue;
		unsigned d = distance(word, len, candidates[i], n);
		if (d < best_distance) {
			best_distance = d;
			best = candidates[i];
		}
	}
	/* Nothing is near: an abbreviation, perhaps. */
	for (size_t i = 0; !best && len >= 2 && i < candidates_count; i++) {
		if (strncasecmp(candidates[i], word, len) == 0)
			best = candidates[i];
	}
	return best;
}

const char *text_size(uint64_t bytes, char buf[TEXT_SIZE_LEN])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	if (bytes < KIB) {
		snprintf(buf, TEXT_SIZE_LEN, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
		return buf;
	}
	size_t u = 0;
	uint64_t unit = KIB;
	while (u + 1 < ARRAY_LEN(units) && bytes / unit >= 1024) {
		unit *= 1024;
		u++;
	}
	if (bytes % unit == 0)
		snprintf(buf, TEXT_SIZE_LEN, "%" PRIu64 " %s", bytes / unit, units[u]);
	else
		snprintf(buf, TEXT_SIZE_LEN, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit, bytes % unit * 10 / unit, units[u]);
	return buf;
}

const char *text_hex(const uint8_t *data, size_t len, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digits[data[i] >> 4];
		buf[2 * i + 1] = digits[data[i] & 15];
	}
	buf[2 * len] = 0;
	return buf;
}

const char *text_uuid(const uint8_t uuid[16], char buf[TEXT_UUID_LEN])
{
	static const size_t groups[] = { 4, 2, 2, 2, 6 };
	char *p = buf;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (i)
			*p++ = '-';
		text_hex(uuid, groups[i], p);
		p += 2 * groups[i];
		uuid += groups[i];
	}
	return buf;
}

size_t text_utf8_len(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : 0;
	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629, section 4). */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

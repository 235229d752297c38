/* What the compiler calls on its own, also when it generates code at link time: kept although nothing seems to use it. */
#include "types.h"

__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t len);
__attribute__((used)) void *memset(void *to, int c, size_t len);

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	char *t = to;
	const char *f = from;

	for (; len >= 8 && !(((uintptr_t)t | (uintptr_t)f) & 7); len -= 8, t += 8, f += 8)
		*(uint64_t *)(void *)t = *(const uint64_t *)(const void *)f;
	for (; len; len--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int c, size_t len)
{
	char *t = to;
	uint64_t word = 0x0101010101010101ull * (uint8_t)c;

	for (; len && ((uintptr_t)t & 7); len--)
		*t++ = (char)c;
	for (; len >= 16; len -= 16, t += 16) {
		((uint64_t *)(void *)t)[0] = word;
		((uint64_t *)(void *)t)[1] = word;
	}
	for (; len; len--)
		*t++ = (char)c;
	return to;
}

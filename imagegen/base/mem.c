#include "imagegen/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

NORETURN static void out_of_memory(void)
{
	static const char text[] = "mvpctl: out of memory\n";
	fputs(text, stderr);
	abort();
}

void *mem_zeroed(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

#define HUGE_LEN ((size_t)2 << 20) /* of x86-64 and of arm64 with pages of 4 KiB; elsewhere it only aligns */

void *mem_try_large(size_t len)
{
	size_t whole;
	if (len < 2 * HUGE_LEN)
		return malloc(len ? len : 1);
	if (__builtin_add_overflow(len, HUGE_LEN - 1, &whole))
		return NULL;
	whole = whole / HUGE_LEN * HUGE_LEN;
	void *p = aligned_alloc(HUGE_LEN, whole);
	if (p)
		(void)madvise(p, whole, MADV_HUGEPAGE); /* a kernel without them has small ones */
	return p;
}

void *mem_large(size_t len)
{
	void *p = mem_try_large(len);
	if (!p)
		out_of_memory();
	return p;
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *r = mem_zeroed(n + 1, 1);
	memcpy(r, s, n);
	return r;
}

char *mem_vprintf(const char *fmt, va_list ap)
{
	char *s = NULL;
	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = mem_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

void mem_grow(void *pointer_to_array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return;
	size_t want = *capacity ? *capacity : 8, bytes;
	if (__builtin_mul_overflow(want, *capacity ? 2 : 1, &want) || __builtin_mul_overflow(want, size, &bytes))
		out_of_memory();
	void *old;
	memcpy(&old, pointer_to_array, sizeof(old));
	void *p = realloc(old, bytes);
	if (!p)
		out_of_memory();
	memset((char *)p + count * size, 0, bytes - count * size);
	memcpy(pointer_to_array, &p, sizeof(p));
	*capacity = want;
	/* cppcheck-suppress memleak ; the caller's pointer has it */
}

void *mem_try(size_t count, size_t size)
{
	size_t bytes;
	return __builtin_mul_overflow(count, size, &bytes) ? NULL : calloc(bytes ? bytes : 1, 1);
}

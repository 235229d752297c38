/* Kernel modules in small: ELF64 files that have sections .modinfo and .shstrtab and nothing else. */
#ifndef FIXTURE_MODULE_H
#define FIXTURE_MODULE_H

#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"

/* info: NUL-separated strings, as a literal gives them; info_len counts the last NUL. */
static inline void module_make(struct buf *b, const char *info, size_t info_len)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	const size_t info_at = 64, names_at = info_at + info_len, table_at = (names_at + sizeof names + 7) & ~(size_t)7;
	uint8_t *p = buf_reserve(b, table_at + (size_t)3 * 64);
	memcpy(p, "\177ELF\2\1\1", 7);
	put_le16(p + 16, 1);   /* relocatable */
	put_le16(p + 18, 183); /* AArch64 */
	put_le64(p + 40, table_at);
	put_le16(p + 58, 64);
	put_le16(p + 60, 3);
	put_le16(p + 62, 2);
	memcpy(p + info_at, info, info_len);
	memcpy(p + names_at, names, sizeof names);
	uint8_t *s = p + table_at + 64;
	put_le32(s, 1);
	put_le32(s + 4, 1);
	put_le64(s + 24, info_at);
	put_le64(s + 32, info_len);
	s += 64;
	put_le32(s, 10);
	put_le32(s + 4, 3);
	put_le64(s + 24, names_at);
	put_le64(s + 32, sizeof names);
}

#endif

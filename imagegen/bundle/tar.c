#include "imagegen/bundle/tar.h"

#include <stdio.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"

static void octal(uint8_t *field, size_t len, uint64_t v)
{
	for (size_t i = len - 1; i-- > 0; v >>= 3)
		field[i] = (uint8_t)('0' + (v & 7));
	field[len - 1] = 0;
}

void tar_header(const char *name, uint64_t len, int64_t epoch, uint8_t ret[TAR_BLOCK])
{
	uint32_t sum = 0;
	memset(ret, 0, TAR_BLOCK);
	memcpy(ret, name, strnlen(name, TAR_NAME_MAX));
	octal(ret + 100, 8, 0644);
	octal(ret + 108, 8, 0);
	octal(ret + 116, 8, 0);
	if (len < (uint64_t)8 * GIB) {
		octal(ret + 124, 12, len);
	} else {
		ret[124] = 0x80;
		put_be64(ret + 128, len);
	}
	octal(ret + 136, 12, (uint64_t)(epoch < 0 ? 0 : epoch));
	memset(ret + 148, ' ', 8);
	ret[156] = '0';
	memcpy(ret + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += ret[i];
	octal(ret + 148, 7, sum);
}

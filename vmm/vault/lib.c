#include "lib.h"

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_number(struct out *o, uint64_t v, unsigned base)
{
	char digits[20];
	unsigned n = 0;
	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put(o, digits[--n]);
}

size_t text_vformat(char *buf, size_t size, const char *format, va_list args)
{
	struct out o = { buf, size, 0 };
	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f++;
		bool wide = *f == 'l';
		if (wide)
			f++;
		if (*f == 's') {
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(&o, *s);
		} else if (*f == 'c') {
			put(&o, (char)va_arg(args, int));
		} else if (*f == 'u' || *f == 'x') {
			uint64_t v = wide ? va_arg(args, unsigned long) : va_arg(args, unsigned);
			put_number(&o, v, *f == 'u' ? 10 : 16);
		} else if (*f == '%') {
			put(&o, '%');
		} else {
			break;
		}
	}
	if (size)
		buf[o.len] = 0;
	return o.len;
}

size_t text_format(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t len = text_vformat(buf, size, format, args);
	va_end(args);
	return len;
}

uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t len)
{
	/* Four bits at a time: a table of 64 bytes instead of 1 KiB; tables of partitions are small. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc = table[(crc ^ data[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ (uint32_t)data[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

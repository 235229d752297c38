#include "imagegen/zip/zip.h"

/* Polynomials over GF(2) modulo the CRC-32 one, bit 31 the coefficient of x^0 (as in the reflected CRC). */
#define POLY 0xEDB88320u
#define ONE 0x80000000u

static uint32_t times_x(uint32_t a)
{
	return a & 1 ? a >> 1 ^ POLY : a >> 1;
}

static uint32_t times(uint32_t a, uint32_t b)
{
	uint32_t r = 0;
	for (; a; a <<= 1, b = times_x(b))
		if (a & ONE)
			r ^= b;
	return r;
}

/* Appending n zero bits multiplies a CRC by x^n; the initial and final inversions cancel out between the two summands. */
uint32_t crc32_join(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
	uint32_t power = ONE >> 8; /* x^8 to the power of 2^i: one byte, two bytes, four... */
	for (; len_b; len_b >>= 1) {
		if (len_b & 1)
			crc_a = times(power, crc_a);
		power = times(power, power);
	}
	return crc_a ^ crc_b;
}

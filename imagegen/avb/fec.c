#include "imagegen/avb/fec.h"

#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/avb/verity.h"
#include "imagegen/base/mem.h"

enum { CODEWORD = 255, TABLE_LEN = 32 }; /* ISA-L expands each coefficient to 32 bytes */

struct fec {
	uint32_t roots, symbols;
	uint8_t *tables;
};

/* Coefficients of g(x) = (x - a^0)(x - a^1)...; g[i] is that of x^i, a is 2. */
static void generator(uint32_t roots, uint8_t g[VERITY_ROOTS_MAX + 1])
{
	uint8_t root = 1;
	memset(g, 0, VERITY_ROOTS_MAX + 1);
	g[0] = 1;
	for (uint32_t n = 0; n < roots; n++) {
		for (uint32_t i = n + 1; i > 0; i--)
			g[i] = (uint8_t)(g[i - 1] ^ gf_mul(g[i], root));
		g[0] = gf_mul(g[0], root);
		root = gf_mul(root, 2);
	}
}

/* Parity is linear in the message: what symbol i adds to it is x^(254 - i) mod g. Rows are parity symbols, highest power first. */
static void coefficients(uint32_t roots, uint32_t symbols, uint8_t *matrix)
{
	uint8_t g[VERITY_ROOTS_MAX + 1], p[VERITY_ROOTS_MAX + 1] = { 0 };
	generator(roots, g);
	p[roots - 1] = 1; /* x^(roots - 1), times x below for the last symbol */
	for (uint32_t i = symbols; i-- > 0;) {
		uint8_t carry = p[roots - 1];
		for (uint32_t k = roots; k-- > 0;)
			p[k] = (uint8_t)((k ? p[k - 1] : 0) ^ gf_mul(carry, g[k]));
		for (uint32_t r = 0; r < roots; r++)
			matrix[r * symbols + i] = p[roots - 1 - r];
	}
}

struct fec *fec_new(uint32_t roots)
{
	if (roots < VERITY_ROOTS_MIN || roots > VERITY_ROOTS_MAX)
		return NULL;
	struct fec *f = mem_new(struct fec);
	f->roots = roots;
	f->symbols = CODEWORD - roots;
	f->tables = mem_array(uint8_t, (size_t)TABLE_LEN * f->symbols * roots);
	uint8_t *matrix CLEANUP_FREE = mem_array(uint8_t, (size_t)f->symbols * roots);
	coefficients(roots, f->symbols, matrix);
	ec_init_tables((int)f->symbols, (int)roots, matrix, f->tables);
	return f;
}

void fec_free(struct fec *f)
{
	if (!f)
		return;
	free(f->tables);
	free(f);
}

uint32_t fec_symbols(const struct fec *f)
{
	return f->symbols;
}

void fec_add(const struct fec *f, uint32_t symbol, const uint8_t *data, size_t len, uint8_t *planes, size_t plane_len)
{
	uint8_t *rows[VERITY_ROOTS_MAX];
	for (uint32_t r = 0; r < f->roots; r++)
		rows[r] = planes + r * plane_len;
	/* The source is not written to; ISA-L's prototype lacks the const. */
	ec_encode_data_update((int)len, (int)f->symbols, (int)f->roots, (int)symbol, f->tables, (uint8_t *)(uintptr_t)data, rows);
}

void fec_store(const struct fec *f, const uint8_t *planes, size_t plane_len, size_t len, uint8_t *parity)
{
	for (size_t x = 0; x < len; x++) {
		for (uint32_t r = 0; r < f->roots; r++)
			parity[x * f->roots + r] ^= planes[r * plane_len + x];
	}
}

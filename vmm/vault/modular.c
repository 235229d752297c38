#include "modular.h"

void limbs_get(uint64_t *ret, const uint8_t *bytes, size_t limbs)
{
	for (size_t i = 0; i < limbs; i++)
		ret[i] = get_be64(bytes + 8 * (limbs - 1 - i));
}

void limbs_put(uint8_t *ret_bytes, const uint64_t *a, size_t limbs)
{
	for (size_t i = 0; i < limbs; i++)
		put_be64(ret_bytes + 8 * (limbs - 1 - i), a[i]);
}

/* One limb of a difference; *borrow is 0 or 1, before and after. */
static uint64_t take_off(uint64_t a, uint64_t b, uint64_t *borrow)
{
	unsigned __int128 d = (unsigned __int128)a - b - *borrow;
	*borrow = (uint64_t)(d >> 64) & 1;
	return (uint64_t)d;
}

bool limbs_are_below(const uint64_t *a, const uint64_t *b, size_t limbs)
{
	uint64_t borrow = 0;
	for (size_t i = 0; i < limbs; i++)
		(void)take_off(a[i], b[i], &borrow);
	return borrow;
}

bool limbs_are_zero(const uint64_t *a, size_t limbs)
{
	uint64_t any = 0;
	for (size_t i = 0; i < limbs; i++)
		any |= a[i];
	return !any;
}

uint64_t limbs_subtract(uint64_t *a, const uint64_t *b, size_t limbs)
{
	uint64_t borrow = 0;
	for (size_t i = 0; i < limbs; i++)
		a[i] = take_off(a[i], b[i], &borrow);
	return borrow;
}

/* ret = a + (b & mask); the carry. */
static uint64_t add_masked(uint64_t *ret, const uint64_t *a, const uint64_t *b, uint64_t mask, size_t limbs)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < limbs; i++) {
		unsigned __int128 s = (unsigned __int128)a[i] + (b[i] & mask) + carry;
		ret[i] = (uint64_t)s;
		carry = (uint64_t)(s >> 64);
	}
	return carry;
}

void mod_reduce(const struct modulus *m, uint64_t *a, uint64_t carry)
{
	uint64_t was_below = limbs_subtract(a, m->n, m->limbs) & ~carry;
	(void)add_masked(a, a, m->n, 0 - was_below, m->limbs);
}

void mod_add(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	mod_reduce(m, ret, add_masked(ret, a, b, UINT64_MAX, m->limbs));
}

void mod_subtract(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t borrow = 0;
	for (size_t i = 0; i < m->limbs; i++)
		ret[i] = take_off(a[i], b[i], &borrow);
	(void)add_masked(ret, ret, m->n, 0 - borrow, m->limbs);
}

/* t += a * b, from the lowest limb on; the carry out of the last one is returned. */
static uint64_t add_product(uint64_t *t, const uint64_t *a, uint64_t b, size_t limbs)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < limbs; i++) {
		unsigned __int128 sum = (unsigned __int128)a[i] * b + t[i] + carry;
		t[i] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
	return carry;
}

void mod_multiply(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t t[2 * LIMBS_MAX];
	uint64_t carry = 0; /* of weight limbs + i */
	memset(t, 0, 16 * m->limbs);
	for (size_t i = 0; i < m->limbs; i++) {
		unsigned __int128 top = (unsigned __int128)add_product(t + i, a, b[i], m->limbs) + carry;
		/* The lowest limb becomes 0. */
		top += add_product(t + i, m->n, t[i] * m->negative_inverse, m->limbs);
		t[i + m->limbs] = (uint64_t)top;
		carry = (uint64_t)(top >> 64);
	}
	memcpy(ret, t + m->limbs, 8 * m->limbs);
	mod_reduce(m, ret, carry);
}

void modulus_init(struct modulus *m, const uint64_t *n, size_t limbs)
{
	m->n = n;
	m->limbs = limbs;
	/* Newton's iteration doubles the right bits, of which an odd number is 3 of its own inverse: 6, 12, 24, 48, 96. */
	uint64_t inverse = n[0];
	for (int i = 0; i < 5; i++)
		inverse *= 2 - n[0] * inverse;
	m->negative_inverse = 0 - inverse;
}

/* Arithmetic modulo an odd number whose top bit is set. Numbers are limbs of 64 bits, the lowest first, and below the modulus. How many
 * limbs they have shows in the time that it takes, what they are does not: no branch and no index depends on it. */
#ifndef VAULT_MODULAR_H
#define VAULT_MODULAR_H

#include "lib.h"

#define LIMBS_MAX 64

struct modulus {
	const uint64_t *n;
	uint64_t negative_inverse; /* -1/n modulo 2^64 */
	size_t limbs;              /* at most LIMBS_MAX */
};

void limbs_get(uint64_t *ret, const uint8_t *bytes, size_t limbs); /* big endian, 8 bytes a limb; any number */
void limbs_put(uint8_t *ret_bytes, const uint64_t *a, size_t limbs);
bool limbs_are_below(const uint64_t *a, const uint64_t *b, size_t limbs);
bool limbs_are_zero(const uint64_t *a, size_t limbs);
uint64_t limbs_subtract(uint64_t *a, const uint64_t *b, size_t limbs); /* a -= b; the borrow, 0 or 1 */

void modulus_init(struct modulus *m, const uint64_t *n, size_t limbs); /* n is borrowed */

/* a + carry 2^(64 limbs) is brought below n; it was below 2 n. */
void mod_reduce(const struct modulus *m, uint64_t *a, uint64_t carry);

/* ret may be one of the others. mod_multiply gives a b / 2^(64 limbs) (P. L. Montgomery, Modular multiplication without trial division,
 * 1985): of Montgomery's forms, which are a 2^(64 limbs), the form of the product; of one form and one number, the product. */
void mod_add(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b);
void mod_subtract(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b);
void mod_multiply(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b);

#endif

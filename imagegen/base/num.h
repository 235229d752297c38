/* Arithmetic on untrusted sizes: each function is false when the result does not fit, and *ret is then untouched. */
#ifndef IMAGEGEN_NUM_H
#define IMAGEGEN_NUM_H

#include "imagegen/base/base.h"

MUST_USE static inline bool num_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	if (__builtin_add_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}

MUST_USE static inline bool num_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t r;
	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*ret = r;
	return true;
}

/* Up to the next multiple of unit (> 0, any number). */
MUST_USE static inline bool num_align_up(uint64_t v, uint64_t unit, uint64_t *ret)
{
	uint64_t rest = v % unit;
	return rest ? num_add(v, unit - rest, ret) : num_add(v, 0, ret);
}

/* For values known to be small: sizes this program chose itself. The result must fit. */
static inline uint64_t align_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) / unit * unit;
}

static inline uint64_t align_down(uint64_t v, uint64_t unit)
{
	return v - v % unit;
}

/* Is [at, at + len) inside [0, total)? Never overflows; an empty range at the end is inside. */
static inline bool num_inside(uint64_t at, uint64_t len, uint64_t total)
{
	return at <= total && len <= total - at;
}

static inline uint64_t num_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t num_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif

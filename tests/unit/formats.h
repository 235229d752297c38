/* What the tests of the formats share. */
#ifndef TESTS_FORMATS_H
#define TESTS_FORMATS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

/* Exactly one item so far, this one; the diag is then empty for the next case. */
static inline void expect_only(struct diag **d, enum diag_code code)
{
	assert_int_equal(diag_count(*d), 1);
	assert_int_equal(diag_get(*d, 0)->code, code);
	diag_free(*d);
	*d = diag_new();
}

/* Different bytes everywhere, none of them zero. */
static inline struct image *pattern(size_t len, uint8_t seed)
{
	uint8_t *p = mem_zeroed(1, len);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i * 7 + i / 251 + seed) % 255 + 1);
	return image_mem(p, len);
}

/* The whole image, malloc'd. */
static inline uint8_t *whole(const struct image *img)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *p = mem_zeroed(1, image_len(img));
	assert_int_equal(image_read(img, 0, p, image_len(img), d), 0);
	return p;
}

/* Extents cover the image without gaps, alternate, and holes read as zeros. */
static inline void expect_sound_extents(const struct image *img)
{
	uint8_t *all CLEANUP_FREE = whole(img);
	bool last = false;
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		assert_int_equal(e.at, at);
		assert_true(at == 0 || e.data != last);
		for (uint64_t i = 0; !e.data && i < e.len; i++)
			assert_int_equal(all[e.at + i], 0);
		/* The same extent from any byte of it. */
		struct extent mid = image_extent(img, e.at + e.len / 2), end = image_extent(img, e.at + e.len - 1);
		assert_memory_equal(&mid, &e, sizeof(e));
		assert_memory_equal(&end, &e, sizeof(e));
		last = e.data;
		at = e.at + e.len;
	}
}

#endif

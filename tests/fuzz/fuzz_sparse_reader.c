/* Sparse images from outside: what is read stays inside the image, whole reads and reads in pieces agree, holes are zeros. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/sparse/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define READ_MAX ((size_t)1 << 20)

static void read_all(const struct image *img, struct diag *d)
{
	size_t total = (size_t)num_min(image_len(img), READ_MAX);
	uint8_t *all CLEANUP_FREE = mem_zeroed(1, total), *piece CLEANUP_FREE = mem_zeroed(1, total);
	if (image_read(img, 0, all, total, d) < 0)
		abort();
	for (size_t at = 0, n; at < total; at += n) {
		n = (size_t)num_min(total - at, 1 + at % 1499);
		if (image_read(img, at, piece, n, d) < 0 || memcmp(piece, all + at, n) != 0)
			abort();
	}
	for (uint64_t at = 0; at < total;) {
		struct extent e = image_extent(img, at);
		if (e.at != at || e.len == 0 || !num_inside(e.at, e.len, image_len(img)))
			abort();
		for (uint64_t i = at; !e.data && i < num_min(e.at + e.len, total); i++)
			if (all[i] != 0)
				abort();
		at = e.at + e.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *file CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, len), data, len), len);
	struct image *img CLEANUP(image_freep) = NULL;
	int r = sparse_read(file, "fuzz", &img, d);
	if ((r < 0) != (diag_errors(d) == 1) || (r == 0) != (img != NULL))
		abort();
	if (img)
		read_all(img, d);
	return 0;
}

/* Super partitions from outside. Their checksums are put right first, so that the fuzzer gets behind them. */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/lp/lp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void mend(uint8_t *p, size_t len, size_t sum_at)
{
	memset(p + sum_at, 0, 32);
	SHA256(p, len, p + sum_at);
}

static void mend_all(uint8_t *p, size_t len)
{
	if (len < 12288 + 256)
		return;
	mend(p + 4096, 52, 8);
	uint32_t header_len = get_le32(p + 12288 + 8), tables_len = get_le32(p + 12288 + 44);
	if ((header_len != 128 && header_len != 256) || !num_inside(12288 + header_len, tables_len, len))
		return;
	SHA256(p + 12288 + header_len, tables_len, p + 12288 + 48);
	mend(p + 12288, header_len, 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *own = memcpy(mem_zeroed(1, len), data, len);
	if (len > 0 && data[0] & 1)
		mend_all(own, len);
	struct image *super CLEANUP(image_freep) = image_mem(own, len);
	struct lp *lp CLEANUP(lp_freep) = NULL;
	int r = lp_read(super, "fuzz", &lp, d);
	if ((r < 0) != (diag_errors(d) == 1) || (r == 0) != (lp != NULL))
		abort();
	if (!lp)
		return 0;
	size_t count;
	const struct lp_partition *all = lp_partitions(lp, &count);
	for (size_t i = 0; i < count && i < 64; i++) {
		struct image *img CLEANUP(image_freep) = NULL;
		uint8_t block[4096];
		if (!lp_find(lp, all[i].name) || lp_image(lp, &all[i], &img, d) < 0 || image_len(img) != all[i].len)
			abort();
		if (image_len(img) >= sizeof(block) && (image_read(img, 0, block, sizeof(block), d) < 0 ||
							image_read(img, image_len(img) - sizeof(block), block, sizeof(block), d) < 0))
			abort();
	}
	return 0;
}

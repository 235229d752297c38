/* Partition tables with any content. The sums are made right, so that what lies behind them is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/gpt/gpt.h"
#include "mvp/gpt.h"

#define DISK_LEN (128 * 512)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	bool mend = data[0] & 1;
	size_t disk_len = data[0] & 2 ? DISK_LEN : num_min(len - 1, DISK_LEN);
	uint8_t *disk = mem_zeroed(1, DISK_LEN);
	memcpy(disk, data + 1, num_min(len - 1, disk_len));
	if (mend && disk_len == DISK_LEN) {
		uint8_t *h = disk + 512;
		uint64_t at, array_len = (uint64_t)get_le32(h + 80) * get_le32(h + 84);
		put_le64(h, MVP_GPT_SIGNATURE);
		if (num_mul(get_le64(h + 72), 512, &at) && num_inside(at, array_len, DISK_LEN))
			put_le32(h + 88, crc32_gzip_refl(0, disk + at, array_len));
		put_le32(h + 16, 0);
		put_le32(h + 16, crc32_gzip_refl(0, h, num_min(get_le32(h + 12), 512)));
	}
	struct image *img CLEANUP(image_freep) = image_mem(disk, disk_len);
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count = 0;
	if (gpt_read(img, "fuzz", &entries, &count, d) < 0) {
		if (diag_errors(d) != 1)
			abort();
		return 0;
	}
	for (size_t i = 0; i < count; i++) /* what was believed is inside the disk */
		if (entries[i].len == 0 || !num_inside(entries[i].at, entries[i].len, disk_len) || strlen(entries[i].name) > 36)
			abort();
	return 0;
}

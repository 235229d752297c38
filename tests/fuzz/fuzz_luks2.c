/* LUKS2 headers with any content. The checksum is made right, so that the metadata behind it is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/crypt/luks2.h"
#include "mvp/luks2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t start[8] = { 'L', 'U', 'K', 'S', 0xba, 0xbe, 0, MVP_LUKS2_VERSION };
	static const uint8_t checksum[6] = { 's', 'h', 'a', '2', '5', '6' };
	if (len < 1)
		return 0;
	uint8_t *bytes = mem_zeroed(1, MVP_LUKS2_HDR_SIZE);
	size_t total = MVP_LUKS2_HDR_SIZE;
	if (data[0] & 1) { /* a header of ours around metadata that is not */
		memcpy(bytes, start, sizeof(start));
		put_be64(bytes + 8, MVP_LUKS2_HDR_SIZE);
		memcpy(bytes + 72, checksum, sizeof(checksum));
		memcpy(bytes + MVP_LUKS2_BIN_SIZE, data + 1, num_min(len - 1, MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE));
		SHA256(bytes, MVP_LUKS2_HDR_SIZE, bytes + MVP_LUKS2_CSUM_AT);
	} else {
		total = num_min(len - 1, MVP_LUKS2_HDR_SIZE);
		memcpy(bytes, data + 1, total);
	}
	struct image *img CLEANUP(image_freep) = image_mem(bytes, total);
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct luks2_info info;
	if (luks2_read_info(img, "fuzz", &info, d) < 0) {
		if (diag_errors(d) != 1)
			abort();
		return 0;
	}
	if (info.slots_count > ARRAY_LEN(info.slots) || strlen(info.uuid) > 40 || strlen(info.cipher) > 63)
		abort();
	return 0;
}

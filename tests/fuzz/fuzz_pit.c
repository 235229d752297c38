/* Tables and headers of bundles from a stranger: PIT, KDZ, DZ. */
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/dz.h"
#include "imagegen/bundle/look.h"
#include "imagegen/bundle/pit.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct pit pit CLEANUP(pit_fini) = { 0 };
	struct kdz_header kdz;
	struct dz_header dz;
	struct dz_chunk chunk;
	struct look look CLEANUP(look_fini) = { 0 };
	uint8_t *copy = mem_zeroed(1, len);
	struct image *img CLEANUP(image_freep) = NULL;
	if (len)
		memcpy(copy, data, len);
	img = image_mem(copy, len);
	(void)look_open(img, "fuzz", &look, d);
	(void)pit_parse(data, len, "fuzz", &pit, d);
	if (len >= KDZ_HEADER_LEN)
		(void)kdz_parse(data, len, &kdz);
	if (len >= DZ_HEADER_LEN)
		(void)dz_parse(data, &dz);
	if (len >= DZ_CHUNK_LEN)
		(void)dz_chunk_parse(data, &chunk);
	return 0;
}

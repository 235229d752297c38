/* What inspect shows of a file: anything may be in it, and in its partitions. */
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/inspect/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *copy = mem_zeroed(1, size + 1);
	memcpy(copy, data, size);
	struct image *img CLEANUP(image_freep) = image_mem(copy, size);
	struct inspect i CLEANUP(inspect_fini) = { 0 };
	if (inspect_image(img, "fuzz", &i, d) < 0) {
		if (!diag_errors(d))
			__builtin_trap();
		return 0;
	}
	for (size_t p = 0; p < i.properties_count; p++) {
		expect_printable(i.properties[p].key);
		expect_printable(i.properties[p].value);
	}
	return 0;
}

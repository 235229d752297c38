/* vendor_boot and dtbo images with any content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/vendor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool inside(const struct bootimg_section *s, size_t len)
{
	return s->len == 0 || num_inside(s->at, s->len, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, len), data, len), len);
	struct vendor_boot *v CLEANUP_FREE = mem_new(struct vendor_boot);
	size_t count = 0, errors;
	if (vendor_boot_read(img, "fuzz", v, d) == 0) {
		if (!inside(&v->dtb, len) || !inside(&v->bootconfig, len) || v->ramdisks_count > VENDOR_RAMDISKS_MAX ||
		    strlen(v->cmdline) >= sizeof(v->cmdline))
			abort();
		for (size_t i = 0; i < v->ramdisks_count; i++)
			if (!inside(&v->ramdisks[i].section, len))
				abort();
	}
	errors = diag_errors(d);
	if (errors > 1 || (dtbo_check(img, "fuzz", &count, d) < 0) != (diag_errors(d) == errors + 1))
		abort();
	return 0;
}

/* vbmeta images with any content, as the host reads them: header and descriptors. What it says of them lies inside the image. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void want(bool condition)
{
	if (!condition)
		abort();
}

static void walk(const uint8_t *descriptors, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb_descriptor one;
	size_t at = 0, before = 0;
	int rc;
	while (!(rc = avb_next(descriptors, len, &at, &one, "fuzz", d))) {
		want(at > before && at <= len && one.data == descriptors + before && one.len == at - before);
		want(memchr(one.partition, 0, sizeof(one.partition)) != NULL);
		before = at;
	}
	want(diag_errors(d) == (rc < 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb_info i;
	if (avb_read(data, len, "fuzz", &i, d)) {
		want(diag_errors(d) == 1);
		return 0;
	}
	want(!diag_errors(d) && memchr(i.release, 0, sizeof(i.release)));
	want(num_inside(i.hash_at, i.hash_len, len) && num_inside(i.signature_at, i.signature_len, len) &&
	     num_inside(i.key_at, i.key_len, len) && num_inside(i.descriptors_at, i.descriptors_len, len));
	walk(data + i.descriptors_at, (size_t)i.descriptors_len);
	return 0;
}

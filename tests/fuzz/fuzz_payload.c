/* Update packages from a stranger: the zip's directory, the payload's manifest, and what its operations make. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/look.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/zip/read.h"

#define PART_MAX (16 * MIB) /* larger partitions are not unpacked here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void unpack(const struct image *img, uint64_t at, uint64_t len, struct diag *d)
{
	struct payload_file f CLEANUP(payload_close) = { 0 };
	if (payload_open(img, at, len, "fuzz", &f, d) < 0)
		return;
	(void)payload_check(&f, d);
	for (size_t i = 0; i < f.p.parts_count && i < 4; i++) {
		free(payload_summary(&f.p.parts[i]));
		int fd CLEANUP(fd_closep) = f.p.parts[i].new_len <= PART_MAX && f.p.parts[i].ops_count < 64 ? tmpfile_unlinked("/tmp") : -1;
		if (fd >= 0)
			(void)payload_apply(&f, &f.p.parts[i], img, fd, d);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct zip_dir zip CLEANUP(zip_dir_fini) = { 0 };
	struct look look CLEANUP(look_fini) = { 0 };
	uint8_t *copy = mem_zeroed(1, len);
	if (len)
		memcpy(copy, data, len);
	struct image *img CLEANUP(image_freep) = image_mem(copy, len);
	(void)look_open(img, "fuzz", &look, d);
	unpack(img, 0, len, d);
	if (zip_read(img, "fuzz", &zip, d) < 0)
		return 0;
	for (size_t i = 0; i < zip.count && i < 8; i++) {
		if (zip.v[i].len <= PART_MAX)
			(void)zip_check(img, "fuzz", &zip.v[i], d);
		if (zip.v[i].method == 0 && zip.v[i].len == zip.v[i].packed_len)
			unpack(img, zip.v[i].at, zip.v[i].packed_len, d);
	}
	return 0;
}

#include "imagegen/bundle/xz.h"

#include <lzma.h>

#include "imagegen/base/foreign.h"

/* Preset 2: a third of the size of preset 0's loss to preset 6, at four times preset 6's speed. The dictionary is that of one operation. */
#define PRESET 2
#define DICT_LEN (2u << 20)

size_t xz_pack(const uint8_t *data, size_t len, uint8_t *ret)
{
	lzma_options_lzma o;
	if (lzma_lzma_preset(&o, PRESET))
		return 0;
	o.dict_size = DICT_LEN;
	lzma_filter filters[] = { { .id = LZMA_FILTER_LZMA2, .options = &o }, { .id = LZMA_VLI_UNKNOWN } };
	size_t out = 0;
	if (lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, len, ret, &out, len) != LZMA_OK)
		return 0;
	return out < len ? out : 0;
}

bool xz_unpack(const uint8_t *data, size_t data_len, bool bzip2, uint8_t *ret, size_t len)
{
	struct archive *a CLEANUP(archive_read_freep) = archive_read_new();
	struct archive_entry *e;
	size_t done = 0;
	uint8_t more;
	if (!a || (bzip2 ? archive_read_support_filter_bzip2(a) : archive_read_support_filter_xz(a)) != ARCHIVE_OK ||
	    archive_read_support_format_raw(a) != ARCHIVE_OK || archive_read_open_memory(a, data, data_len) != ARCHIVE_OK ||
	    archive_read_next_header(a, &e) != ARCHIVE_OK || archive_filter_count(a) != 2)
		return false;
	while (done < len) {
		la_ssize_t n = archive_read_data(a, ret + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return archive_read_data(a, &more, 1) == 0;
}

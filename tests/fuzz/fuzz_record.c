/* What lies in the cache may have been damaged, or written by somebody else: the record of a build's last run, and the headers of entries.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "imagegen/base/buf.h"
#include "imagegen/cache/entry.h"
#include "imagegen/cache/stamps.h"
#include "imagegen/graph/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t key[CACHE_KEY_LEN];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct record r = { 0 };
	struct stamps s = { 0 };
	struct cache_header h;
	const uint8_t *at = data;
	size_t left = len;
	if (record_parse(data, len, &r))
		record_fini(&r);
	if (stamps_parse(&at, &left, &s)) {
		/* What was read is written the same way. */
		struct buf b = BUF_MAX(SIZE_MAX / 2);
		stamps_emit(&s, &b);
		if (!buf_error(&b) && b.len != len - left)
			abort();
		buf_fini(&b);
		stamps_fini(&s);
	}
	if (len >= CACHE_HEADER_LEN)
		(void)cache_header_parse(data, &h);
	(void)cache_entry_valid(data, len, "record", key);
	return 0;
}

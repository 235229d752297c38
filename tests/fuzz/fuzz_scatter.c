/* A scatter file from a stranger: refused, or what is taken of it is printable. */
#include <stdlib.h>

#include "imagegen/base/mem.h"
#include "imagegen/bundle/scatter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect_printable(const char *s)
{
	for (; s && *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct scatter s CLEANUP(scatter_fini) = { 0 };
	if (scatter_parse(data, len, &s))
		return 0;
	if (!s.count)
		abort();
	expect_printable(s.platform);
	expect_printable(s.project);
	expect_printable(s.storage);
	for (size_t i = 0; i < s.count; i++) {
		if (!s.parts[i].name)
			abort();
		expect_printable(s.parts[i].name);
		expect_printable(s.parts[i].file);
	}
	return 0;
}

#include <string.h>

#include "imagegen/initrd/modinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "depends", "softdep", "alias" };
	struct modinfo m;
	uint16_t machine;
	if (modinfo_parse(data, size, &m, &machine) != MODINFO_OK)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		for (const char *v = NULL; (v = modinfo_next(&m, keys[i], v)) != NULL;)
			if (v < m.text || v + strlen(v) >= m.text + m.len)
				__builtin_trap();
	return 0;
}

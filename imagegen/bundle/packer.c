#include "imagegen/bundle/packer.h"

#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/bundle/output.h"

static const struct packer *const packers[] = { &packer_disk,  &packer_fastboot, &packer_odin,        &packer_edl,  &packer_kdz,
						&packer_super, &packer_ota,      &packer_disk_sparse, &packer_bmap, &packer_mtk };

const struct packer *packer_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(packers); i++)
		if (strcmp(packers[i]->name, name) == 0)
			return packers[i];
	return NULL;
}

const struct packer *const *packer_all(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(packers);
	return packers;
}

int bundle_check_name(const char *what, const char *s, struct diag *d)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(s);
	if (len == 0 || len > 64 || strspn(s, allowed) != len || s[0] == '.' || s[0] == '-')
		return diag_fail(d, MVP0509, NULL,
				 "the %s '%s' cannot be part of a file name; expected 1 to 64 letters, digits, '.', '_' or '-'", what, s);
	return 0;
}

#include "imagegen/graph/oem.h"

#include <stdlib.h>

#include "imagegen/base/mem.h"

#define FIELD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct oem, member), __VA_ARGS__ \
	}
#define SIZE_MAX_TIB .max = (uint64_t)1 << 40

static const struct profile_field fields[] = {
	FIELD("oem", NUM, format, .required = true, .min = 1, .max = 1),
	FIELD("name", STR, name, .required = true),
	FIELD("summary", STR, summary),
	FIELD("bundles", STRS, bundles, .required = true),
	FIELD("partitions.boot.min-size", SIZE, min_size.boot, SIZE_MAX_TIB),
	FIELD("partitions.personal.min-size", SIZE, min_size.personal, SIZE_MAX_TIB),
	FIELD("partitions.work.min-size", SIZE, min_size.work, SIZE_MAX_TIB),
};

int oem_load(const struct manifest *m, const struct mstr *name, struct oem **ret_oem, struct diag *d)
{
	struct oem *o CLEANUP(oem_freep) = mem_new(struct oem);
	if (profile_find(m, "oem", name, MVP0550, &o->path, d) || profile_load(o->path, fields, ARRAY_LEN(fields), o, d))
		return -1;
	*ret_oem = TAKE(o);
	return 0;
}

void oem_free(struct oem *o)
{
	if (!o)
		return;
	profile_fini(fields, ARRAY_LEN(fields), o);
	free(o->path);
	free(o);
}

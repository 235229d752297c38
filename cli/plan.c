#include "cli/plan.h"

#include <inttypes.h>

#include "imagegen/base/text.h"
#include "imagegen/oem/carrier.h"
#include "imagegen/oem/oem.h"

int plan_load(struct plan *p, const char *path, struct diag *d)
{
	if (manifest_load(path, &p->m, d) < 0)
		return -1;
	int result = board_load(p->m, &p->board, d);
	for (size_t i = 0; i < p->m->oem.count; i++) {
		struct oem *oem CLEANUP(oem_freep) = NULL;
		if (oem_load(p->m, &p->m->oem.v[i], &oem, d) < 0)
			result = -1;
	}
	if (p->m->carrier.s) {
		struct carrier *carrier CLEANUP(carrier_freep) = NULL;
		if (carrier_load(p->m, &p->m->carrier, &carrier, d) < 0)
			result = -1;
	}
	if (p->board && layout_plan(p->board, p->m, &p->layout, d) < 0)
		result = -1;
	return result;
}

void plan_fini(struct plan *p)
{
	board_free(p->board);
	manifest_free(p->m);
	*p = (struct plan){ 0 };
}

void print_layout(struct cli *cli, const struct layout *l)
{
	char size[TEXT_SIZE_LEN];
	uint64_t used = 0;
	cli_say(cli, "Memory (%s from 0x%" PRIx64 "):\n", text_size(l->ram_size, size), l->ram_pa);
	for (size_t i = 0; i < l->regions_count; i++) {
		const struct layout_region *r = &l->regions[i];
		cli_say(cli, "  0x%010" PRIx64 "  %12s  %s\n", r->pa, text_size(r->size, size), r->name);
		used += r->size;
	}
	cli_say(cli, "  %12s  %12s  unused\n", "", text_size(l->ram_size - used, size));
}

void json_layout(struct jsonw *j, const char *key, const struct layout *l)
{
	jsonw_object(j, key);
	jsonw_uint(j, "address", l->ram_pa);
	jsonw_uint(j, "size", l->ram_size);
	jsonw_array(j, "regions");
	for (size_t i = 0; i < l->regions_count; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", l->regions[i].name);
		jsonw_uint(j, "address", l->regions[i].pa);
		jsonw_uint(j, "size", l->regions[i].size);
		jsonw_end(j);
	}
	jsonw_end(j);
	jsonw_end(j);
}

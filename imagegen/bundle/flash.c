#include "imagegen/bundle/flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/output.h"

/* Attributes of a slotted partition in Qualcomm's and Google's scheme (bits 48 to 55): A has priority 3 and is active with seven tries
 * left, B has priority 2 and seven tries. */
#define ATTRIBUTES_A ((uint64_t)0x3f << 48)
#define ATTRIBUTES_B ((uint64_t)0x3a << 48)

static void add(struct flash *f, struct gpt_part *parts, const struct bundle *b, size_t part, unsigned slot)
{
	const struct bundle_part *p = &b->parts[part];
	struct flash_place *place = &f->places[f->places_count];
	struct gpt_part *g = &parts[f->places_count++];
	*place = (struct flash_place){ .part = part, .slot = slot };
	(void)snprintf(place->name, sizeof(place->name), "%s%s", p->name, !p->slots ? "" : slot ? "_b" : "_a");
	*g = (struct gpt_part){ .name = place->name, .len = p->len, .loc = p->loc };
	if (p->slots)
		g->attributes = slot ? ATTRIBUTES_B : ATTRIBUTES_A;
	memcpy(g->type, gpt_type_linux, sizeof(gpt_type_linux));
	memcpy(g->uuid, p->uuid[slot], sizeof(g->uuid));
}

int flash_plan(const struct bundle *b, uint32_t sector_len, int lun, uint64_t disk_len, struct flash *ret, struct diag *d)
{
	struct flash f CLEANUP(flash_fini) = { .sector_len = sector_len, .lun = lun < 0 ? 0 : (uint32_t)lun };
	struct gpt_part *parts CLEANUP_FREE = mem_array(struct gpt_part, 2 * b->parts_count);
	uint8_t uuid[16];
	f.places = mem_array(struct flash_place, 2 * b->parts_count);
	for (size_t i = 0; i < b->parts_count; i++) {
		for (unsigned slot = 0; slot < bundle_copies(&b->parts[i]); slot++)
			if (lun < 0 || b->parts[i].lun == (uint32_t)lun)
				add(&f, parts, b, i, slot);
	}
	memcpy(uuid, b->disk_uuid, sizeof(uuid));
	if (lun > 0)
		uuid[14] ^= (uint8_t)lun;
	if (gpt_compose_sectors(parts, f.places_count, uuid, disk_len, sector_len, &f.frame, d) < 0)
		return -1;
	for (size_t i = 0; i < f.places_count; i++) {
		f.places[i].at = parts[i].at;
		f.places[i].len = parts[i].len;
	}
	*ret = f;
	f = (struct flash){ 0 };
	return 0;
}

void flash_fini(struct flash *f)
{
	image_free(f->frame);
	free(f->places);
	*f = (struct flash){ 0 };
}

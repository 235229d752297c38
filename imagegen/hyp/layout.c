/* Physical memory: who gets what, decided once, at build time. First fit in a fixed order, so that equal input gives equal addresses. */
#include <inttypes.h>
#include <string.h>

#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/hyp/board.h"
#include "mvp/config.h"

/* The core with the vault's image inside it, its stacks and tables: a stage 2 block is the least that can be given. */
#define CORE_SIZE ((uint64_t)MVP_BLOCK_SIZE)
#define VAULT_SIZE (16 * MIB)

static const struct layout_region *overlap(const struct board *b, const struct layout *l, uint64_t at, uint64_t size,
					   struct layout_region *scratch)
{
	for (size_t i = 0; i < l->regions_count; i++) {
		const struct layout_region *r = &l->regions[i];
		if (at < r->pa + r->size && r->pa < at + size)
			return r;
	}
	for (size_t i = 0; i < b->ram_reserved.count; i++) {
		const struct profile_range *r = &b->ram_reserved.v[i];
		if (at < r->at + r->len && r->at < at + size) {
			*scratch = (struct layout_region){ .name = "firmware", .pa = r->at, .size = r->len };
			return scratch;
		}
	}
	return NULL;
}

/* The lowest free place at or above from. */
static bool place(const struct board *b, struct layout *l, const char *name, uint64_t from, uint64_t size)
{
	uint64_t at = from, end = l->ram_pa + l->ram_size;
	struct layout_region scratch;
	const struct layout_region *hit;
	while (num_inside(at - l->ram_pa, size, l->ram_size) && (hit = overlap(b, l, at, size, &scratch))) {
		if (!num_align_up(hit->pa + hit->size, MVP_BLOCK_SIZE, &at) || at > end)
			return false;
	}
	if (!num_inside(at - l->ram_pa, size, l->ram_size))
		return false;
	l->regions[l->regions_count++] = (struct layout_region){ .name = name, .pa = at, .size = size };
	return true;
}

/* A persona's screen begins in front of a block, so that its frame, which is mapped for it, shares no block with its bar. */
static struct layout_screens plan_screens(const struct board *b)
{
	uint64_t bar = board_stride(b) * b->display.bar.v, frame = board_stride(b) * b->display.height.v;
	struct layout_screens s = { .frame_size = align_up(frame, MVP_BLOCK_SIZE) };
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		s.frame_pa[i] = s.size + MVP_BLOCK_SIZE;
		s.screen_at[i] = s.frame_pa[i] - bar;
		s.size = s.frame_pa[i] + s.frame_size;
	}
	s.screen_at[PERSONA_MAX] = s.size;
	s.size += align_up(bar + frame, MVP_BLOCK_SIZE);
	return s;
}

static void note_table(const struct board *b, const struct manifest *m, struct diag *d)
{
	char size[TEXT_SIZE_LEN];
	diag_note(d, "the board has %s from 0x%" PRIx64 ", the hypervisor is loaded at 0x%" PRIx64, text_size(b->ram_size.v, size),
		  b->ram_base.v, b->load.v);
	diag_note(d, "core      %10s", text_size(CORE_SIZE, size));
	diag_note(d, "vault     %10s", text_size(VAULT_SIZE, size));
	if (b->display.type.s)
		diag_note(d, "screens   %10s", text_size(plan_screens(b).size, size));
	for (size_t i = 0; i < PERSONA_MAX; i++)
		diag_note(d, "%-9s %10s", m->personas[i].name, text_size(m->personas[i].memory.v, size));
	for (size_t i = 0; i < b->ram_reserved.count; i++)
		diag_note(d, "firmware  %10s at 0x%" PRIx64, text_size(b->ram_reserved.v[i].len, size), b->ram_reserved.v[i].at);
}

static int place_screens(const struct board *b, const struct manifest *m, struct layout *l, struct diag *d)
{
	struct layout_screens s;
	if (!b->display.type.s)
		return 0;
	s = plan_screens(b);
	if (!place(b, l, "screens", b->load.v, s.size)) {
		(void)diag_fail(d, MVP0710, &b->display.height.loc, "the screens do not fit into the board's memory");
		note_table(b, m, d);
		return -1;
	}
	s.pa = l->regions[l->regions_count - 1].pa;
	for (size_t i = 0; i < PERSONA_MAX; i++)
		s.frame_pa[i] += s.pa;
	l->screens = s;
	return 0;
}

static int place_persona(const struct board *b, const struct manifest *m, const struct persona *p, struct layout *l, struct diag *d)
{
	char need[TEXT_SIZE_LEN], has[TEXT_SIZE_LEN];
	if (!p->memory.v || p->memory.v % MVP_BLOCK_SIZE)
		return diag_fail(d, MVP0711, &p->memory.loc, "the memory of '%s' is %s, expected a multiple of 2 MiB", p->name,
				 text_size(p->memory.v, need));
	/* Above the load address first; the piece in front of it is too small for a persona on every board seen so far, but costs nothing.
	 */
	if (place(b, l, p->name, b->load.v, p->memory.v) || place(b, l, p->name, l->ram_pa, p->memory.v))
		return 0;
	(void)diag_fail(d, MVP0710, &p->memory.loc, "the memory of '%s' (%s) does not fit into the board's %s", p->name,
			text_size(p->memory.v, need), text_size(l->ram_size, has));
	diag_hint(d, "give the personas less memory, or choose a board that has more");
	note_table(b, m, d);
	return -1;
}

int layout_plan(const struct board *b, const struct manifest *m, struct layout *ret_layout, struct diag *d)
{
	struct layout l = { .ram_pa = b->ram_base.v, .ram_size = b->ram_size.v };
	if (!place(b, &l, "core", b->load.v, CORE_SIZE) || l.regions[0].pa != b->load.v) {
		(void)diag_fail(d, MVP0710, &b->load.loc, "the core does not fit at 0x%" PRIx64 ", where the bootloader puts it",
				b->load.v);
		note_table(b, m, d);
		return -1;
	}
	if (!place(b, &l, "vault", b->load.v, VAULT_SIZE)) {
		(void)diag_fail(d, MVP0710, &b->ram_size.loc, "the vault does not fit into the board's memory");
		note_table(b, m, d);
		return -1;
	}
	if (place_screens(b, m, &l, d))
		return -1;
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		if (place_persona(b, m, &m->personas[i], &l, d))
			return -1;
	}
	*ret_layout = l;
	return 0;
}

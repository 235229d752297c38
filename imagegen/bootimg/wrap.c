#include "imagegen/bootimg/wrap.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "mvp/bootimg.h"
#include "mvp/machine.h"

#define PAGE 4096u
#define LOADED ((uint64_t)MVP_GUEST_KERNEL) /* where the vault puts an Image with text offset 0 */
#define ULL(x) ((unsigned long long)(x))

/* Runs at EL1 with the MMU off, x0 the device tree. Memory is then Device-nGnRnE to data accesses, which must be aligned (Arm ARM B2.7.2):
 * the parts lie in the image as they will in memory, modulo 16. What was written so goes past the caches, so lines of it that the
 * hypervisor left in them, which are clean, are dropped. The comments are the source: tests/e2e/test_kernels.py assembles them and
 * compares. */
static const uint32_t code[] = {
	0xaa0003e9, /* start: mov x9, x0 */
	0x10fffdea, /* adr x10, head */
	0x5800078b, /* ldr x11, run_at */
	0x580007ac, /* ldr x12, image_len */
	0xeb0b015f, /* cmp x10, x11 */
	0x54000100, /* b.eq here */
	0xaa0b03e1, /* mov x1, x11 */
	0xaa0a03e2, /* mov x2, x10 */
	0xaa0c03e3, /* mov x3, x12 */
	0x94000013, /* bl put */
	0x9400002e, /* bl sync */
	0x9101d16b, /* add x11, x11, #(here - head) */
	0xd61f0160, /* br x11 */
	0x1000072a, /* here: adr x10, steps */
	0xa8c10941, /* 1: ldp x1, x2, [x10], #16 */
	0xf8408543, /* ldr x3, [x10], #8 */
	0xb4000063, /* cbz x3, 2f */
	0x9400000b, /* bl put */
	0x17fffffc, /* b 1b */
	0x94000025, /* 2: bl sync */
	0x580005c4, /* ldr x4, entry */
	0x580005e0, /* ldr x0, dtb_at */
	0xf100001f, /* cmp x0, #0 */
	0x9a800120, /* csel x0, x9, x0, eq */
	0xaa1f03e1, /* mov x1, xzr */
	0xaa1f03e2, /* mov x2, xzr */
	0xaa1f03e3, /* mov x3, xzr */
	0xd61f0080, /* br x4 */
	0x8b030023, /* put: add x3, x1, x3 */
	0xaa0103e7, /* mov x7, x1 */
	0xaa1f03e5, /* mov x5, xzr */
	0xaa1f03e6, /* mov x6, xzr */
	0xcb010068, /* 3: sub x8, x3, x1 */
	0xb4000188, /* cbz x8, 6f */
	0xf2400c3f, /* tst x1, #15 */
	0xfa500900, /* ccmp x8, #16, #0, eq */
	0x540000a3, /* b.lo 5f */
	0xb4000042, /* cbz x2, 4f */
	0xa8c11845, /* ldp x5, x6, [x2], #16 */
	0xa8811825, /* 4: stp x5, x6, [x1], #16 */
	0x17fffff8, /* b 3b */
	0xb4000042, /* 5: cbz x2, 7f */
	0x38401445, /* ldrb w5, [x2], #1 */
	0x38001425, /* 7: strb w5, [x1], #1 */
	0x17fffff4, /* b 3b */
	0xd53b0028, /* 6: mrs x8, ctr_el0 */
	0xd3504d08, /* ubfx x8, x8, #16, #4 */
	0xd2800086, /* mov x6, #4 */
	0x9ac820c6, /* lsl x6, x6, x8 */
	0xd10004c8, /* sub x8, x6, #1 */
	0x8a2800e7, /* bic x7, x7, x8 */
	0xd50b7e27, /* 8: dc civac, x7 */
	0x8b0600e7, /* add x7, x7, x6 */
	0xeb0300ff, /* cmp x7, x3 */
	0x54ffffa3, /* b.lo 8b */
	0xd65f03c0, /* ret */
	0xd5033f9f, /* sync: dsb sy */
	0xd508751f, /* ic iallu */
	0xd5033f9f, /* dsb sy */
	0xd5033fdf, /* isb */
	0xd65f03c0, /* ret */
	0xd503201f, /* nop */
};
_Static_assert(MVP_ARM64_HEADER_SIZE + sizeof(code) == WRAP_RUN_AT, "the code ends where its data begins");

struct range {
	uint64_t at, end;
};

struct ranges {
	struct range r[WRAP_PARTS_MAX + 3];
	size_t count;
};

static void keep_out(struct ranges *taken, uint64_t at, uint64_t len)
{
	taken->r[taken->count++] = (struct range){ at, at + len };
}

/* The end of the first range that [at, at + len) meets; 0 if it meets none. */
static uint64_t meets(const struct ranges *taken, uint64_t at, uint64_t len)
{
	for (size_t i = 0; i < taken->count; i++)
		if (at < taken->r[i].end && taken->r[i].at < at + len)
			return taken->r[i].end;
	return 0;
}

/* The lowest page from `at` on from which len bytes of RAM are free; 0 if there is none. */
static uint64_t find_free(const struct ranges *taken, uint64_t at, uint64_t len, const struct kernel_place *place)
{
	uint64_t end;
	while (num_inside(at - MVP_GUEST_RAM, len, place->memory)) {
		end = meets(taken, at, len);
		if (!end)
			return at;
		at = align_up(end, PAGE);
	}
	return 0;
}

int wrap_add(struct wrap *w, const struct wrap_part *part, const struct kernel_place *place, const char *what, const char *label,
	     struct diag *d)
{
	struct loc loc = LOC_FILE(label);
	if (part->to < MVP_GUEST_RAM || !num_inside(part->to - MVP_GUEST_RAM, part->room, place->memory)) {
		diag_fail(d, MVP0510, &loc,
			  "%s of the kernel, 0x%llx bytes at 0x%llx, is not in the persona's memory, 0x%llx bytes at 0x%llx", what,
			  ULL(part->room), ULL(part->to), ULL(place->memory), ULL(MVP_GUEST_RAM));
		if (part->to >> 47)
			diag_hint(d,
				  "that is a virtual address, as in a Linux vmlinux: name arch/arm64/boot/Image of its build tree instead");
		else if (part->to < MVP_GUEST_RAM)
			diag_hint(d, "link it to physical addresses from 0x%llx on", ULL(MVP_GUEST_RAM));
		else
			diag_hint(d, "give the persona more 'memory'");
		return -1;
	}
	if (w->count == WRAP_PARTS_MAX)
		return diag_fail(d, MVP0506, &loc, "the kernel has more than %d segments", WRAP_PARTS_MAX);
	for (size_t i = 0; i < w->count; i++)
		if (part->to < w->parts[i].to + w->parts[i].room && w->parts[i].to < part->to + part->room)
			return diag_fail(d, MVP0506, &loc, "%s of the kernel overlaps another at 0x%llx", what, ULL(part->to));
	w->parts[w->count++] = *part;
	return 0;
}

/* An image being made, in two passes over the same steps; the first only counts. */
struct maker {
	const struct wrap *w;
	const struct kernel_place *place;
	uint8_t *image; /* NULL: count */
	uint64_t steps;
	uint64_t payload, len; /* where the parts begin in the image, and its whole length */
	uint64_t run_at, dtb_at;
};

static void step(struct maker *m, uint64_t to, uint64_t from, uint64_t len)
{
	if (!len)
		return;
	if (m->image) {
		uint8_t *at = m->image + WRAP_STEPS + m->steps * WRAP_STEP_LEN;
		put_le64(at, to);
		put_le64(at + 8, from);
		put_le64(at + 16, len);
	}
	m->steps++;
}

/* Zeros in what was used on the way and belongs to no part: memory that is not the kernel's is as empty as on a board. */
static void clear_rest(struct maker *m, uint64_t at, uint64_t end)
{
	while (at < end) {
		uint64_t next = end, skip = 0;
		for (size_t i = 0; i < m->w->count; i++) {
			const struct wrap_part *p = &m->w->parts[i];
			if (p->to <= at && at < p->to + p->room)
				skip = p->to + p->room;
			else if (p->to > at)
				next = num_min(next, p->to);
		}
		if (!skip)
			step(m, at, 0, next - at);
		at = skip ? skip : next;
	}
}

static void make_steps(struct maker *m)
{
	uint64_t at = m->payload;
	m->steps = 0;
	if (m->dtb_at)
		step(m, m->dtb_at, MVP_GUEST_DTB, m->place->dtb_len);
	for (size_t i = 0; i < m->w->count; i++) {
		const struct wrap_part *p = &m->w->parts[i];
		at += (p->to - at) % 16;
		step(m, p->to, m->run_at + at, p->len);
		if (m->image && p->len)
			memcpy(m->image + at, p->data, p->len);
		at += p->len;
	}
	for (size_t i = 0; i < m->w->count; i++)
		step(m, m->w->parts[i].to + m->w->parts[i].len, 0, m->w->parts[i].room - m->w->parts[i].len);
	if (m->dtb_at)
		clear_rest(m, MVP_GUEST_DTB, MVP_GUEST_DTB + m->place->dtb_len);
	if (m->run_at != LOADED)
		clear_rest(m, LOADED, LOADED + m->len);
	clear_rest(m, m->run_at + m->payload, m->run_at + m->len);
	m->len = align_up(at, 16);
}

/* Decides where the image runs and where the device tree goes. Below its place of loading is best: a kernel that takes memory behind it for
 * zeros does not find the code there. Where it is loaded is next, for it need not move. */
static int find_places(struct maker *m, const char *label, struct diag *d)
{
	struct ranges taken = { .count = 0 };
	struct loc loc = LOC_FILE(label);
	for (size_t i = 0; i < m->w->count; i++)
		keep_out(&taken, m->w->parts[i].to, m->w->parts[i].room);
	bool move_dtb = m->w->dtb_from || meets(&taken, MVP_GUEST_DTB, m->place->dtb_len);
	bool stay = !meets(&taken, LOADED, m->len);
	keep_out(&taken, MVP_GUEST_DTB, m->place->dtb_len);
	keep_out(&taken, LOADED, m->len);
	m->run_at = find_free(&taken, MVP_GUEST_RAM, m->len, m->place);
	if (stay && (!m->run_at || m->run_at > LOADED))
		m->run_at = LOADED;
	keep_out(&taken, m->run_at, m->len);
	m->dtb_at = move_dtb ? find_free(&taken, num_max(MVP_GUEST_RAM, m->w->dtb_from), m->place->dtb_len, m->place) : 0;
	if (m->run_at && (m->dtb_at || !move_dtb) && num_inside(LOADED - MVP_GUEST_RAM, m->len, m->place->memory))
		return 0;
	diag_fail(d, MVP0510, &loc, "the kernel leaves too little of the persona's %llu MiB of memory to be put in place",
		  ULL(m->place->memory / MIB));
	diag_hint(d, "give the persona more 'memory': room for the kernel's file once more, above 0x%llx", ULL(LOADED));
	return -1;
}

static uint64_t memory_end(const struct maker *m)
{
	uint64_t end = num_max(LOADED, m->run_at) + m->len;
	for (size_t i = 0; i < m->w->count; i++)
		end = num_max(end, m->w->parts[i].to + m->w->parts[i].room);
	if (m->dtb_at)
		end = num_max(end, m->dtb_at + m->place->dtb_len);
	return end;
}

int wrap_make(const struct wrap *w, const struct kernel_place *place, const char *label, uint8_t **ret_image, size_t *ret_len,
	      struct diag *d)
{
	struct maker m = { .w = w, .place = place, .run_at = LOADED };
	struct loc loc = LOC_FILE(label);
	/* Steps at most: the device tree, for each part a copy and its zeros, what lies between the parts in each of the three places that
	 * are cleared, and the end. */
	m.payload = align_up(WRAP_STEPS + (5 * w->count + 5) * WRAP_STEP_LEN, 16);
	make_steps(&m);
	if (find_places(&m, label, d) < 0)
		return -1;
	uint8_t *image CLEANUP_FREE = mem_try(1, m.len);
	if (!image)
		return diag_fail(d, MVP0506, &loc, "no memory for a kernel of %llu bytes", ULL(m.len));
	m.image = image;
	make_steps(&m);
	put_le32(image, 0x14000000 | MVP_ARM64_HEADER_SIZE / 4); /* b code */
	put_le64(image + 16, memory_end(&m) - LOADED);
	put_le32(image + 56, MVP_ARM64_MAGIC);
	for (size_t i = 0; i < ARRAY_LEN(code); i++)
		put_le32(image + MVP_ARM64_HEADER_SIZE + 4 * i, code[i]);
	put_le64(image + WRAP_RUN_AT, m.run_at);
	put_le64(image + WRAP_IMAGE_LEN, m.len);
	put_le64(image + WRAP_ENTRY, w->entry);
	put_le64(image + WRAP_DTB_AT, m.dtb_at);
	*ret_image = TAKE(image);
	*ret_len = m.len;
	return 0;
}

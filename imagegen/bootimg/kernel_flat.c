/* Header-less kernels: memory as it is to be, from the byte at which it starts. QEMU's virt board puts them 512 KiB into its memory. */
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/wrap.h"
#include "mvp/machine.h"

enum { FLAT_MIN = 64, TEXT_LOOK = 64 };
#define FLAT_AT (MVP_GUEST_RAM + 0x80000)
#define FLAT_DTB ((uint64_t)128 << 20) /* bytes into the memory, or half of it */

/* Instructions that programs begin with (Arm ARM C4.1). Random bytes rarely have their pattern, and other files' magics do not. */
struct opening {
	uint32_t mask, value;
	enum { ALONE, IMM26, IMM19, IMM14, ADR } target; /* the PC-relative operand, which must lead forward */
};

static const struct opening openings[] = {
	{ 0xfc000000, 0x14000000, IMM26 }, /* b */
	{ 0xfc000000, 0x94000000, IMM26 }, /* bl */
	{ 0x7e000000, 0x34000000, IMM19 }, /* cbz, cbnz */
	{ 0x7e000000, 0x36000000, IMM14 }, /* tbz, tbnz */
	{ 0xbf000000, 0x18000000, IMM19 }, /* ldr, literal */
	{ 0x9f000000, 0x10000000, ADR },   /* adr */
	{ 0x9f000000, 0x90000000, ALONE }, /* adrp */
	{ 0x3f800000, 0x11000000, ALONE }, /* add, sub, immediate: sp */
	{ 0x1f800000, 0x12800000, ALONE }, /* movn, movz, movk */
	{ 0x7f800000, 0x32000000, ALONE }, /* orr, immediate: mov */
	{ 0x7f200000, 0x2a000000, ALONE }, /* orr, register: mov */
	{ 0x7f200000, 0x4a000000, ALONE }, /* eor, register: clears one */
	{ 0xffc00000, 0xa9800000, ALONE }, /* stp, pre-indexed: a C function's */
	{ 0xffc00000, 0xa9000000, ALONE }, /* stp */
	{ 0xffc00000, 0xf9400000, ALONE }, /* ldr */
	{ 0xffc00000, 0xd5000000, ALONE }, /* msr, mrs, barriers, hints, maintenance */
	{ 0xffe0001c, 0xd4000000, ALONE }, /* svc, hvc, smc */
};

static bool leads_into(uint32_t word, const struct opening *o, size_t len)
{
	uint32_t words, forward;
	switch (o->target) {
	case IMM26:
		words = word & 0x3ffffff;
		forward = 1u << 25;
		break;
	case IMM19:
		words = word >> 5 & 0x7ffff;
		forward = 1u << 18;
		break;
	case IMM14:
		words = word >> 5 & 0x3fff;
		forward = 1u << 13;
		break;
	case ADR:
		/* A stack behind the file, for example. */
		return !(word & 0x60000000) && !(word & 1u << 23);
	default:
		return true;
	}
	return words && words < forward && num_inside((uint64_t)words * 4, 4, len);
}

/* Machine code has bytes that text has not, in any 16 instructions: register numbers and zeros. */
static bool is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len && i < TEXT_LOOK; i++)
		if (data[i] < 0x20 && !(data[i] >= '\t' && data[i] <= '\r') && data[i] != 0x1b)
			return false;
	return true;
}

bool kernel_is_flat(const uint8_t *data, size_t len)
{
	if (len < FLAT_MIN || is_text(data, len))
		return false;
	uint32_t word = get_le32(data);
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		if ((word & openings[i].mask) == openings[i].value)
			return leads_into(word, &openings[i], len);
	return false;
}

int kernel_wrap_flat(const uint8_t *data, size_t len, const struct kernel_place *place, const char *label, uint8_t **ret_image,
		     size_t *ret_len, struct diag *d)
{
	/* As far behind it as on the virt board, for the file does not tell how much memory it takes. An initrd follows. */
	struct wrap w = { .entry = FLAT_AT, .dtb_from = MVP_GUEST_RAM + num_min(FLAT_DTB, align_down(place->memory / 2, 4096)) };
	const struct wrap_part all = { .to = FLAT_AT, .room = len, .len = len, .data = data };
	if (wrap_add(&w, &all, place, "the whole", label, d) < 0)
		return -1;
	return wrap_make(&w, place, label, ret_image, ret_len, d);
}

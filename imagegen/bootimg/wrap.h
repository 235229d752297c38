/* Makes an arm64 Image of a kernel that is none: its parts and, in front, machine code that puts each where it belongs and starts it. */
#ifndef IMAGEGEN_WRAP_H
#define IMAGEGEN_WRAP_H

#include "imagegen/bootimg/bootimg.h"

enum { WRAP_PARTS_MAX = 64 };

/* `room` bytes of memory from address `to` on: the first len of them given, the others zero. */
struct wrap_part {
	uint64_t to, room, len;
	const uint8_t *data;
};

struct wrap {
	struct wrap_part parts[WRAP_PARTS_MAX]; /* none overlaps another: wrap_add sees to it */
	size_t count;
	uint64_t entry;
	uint64_t dtb_from; /* the device tree goes to this address or above; 0: it stays at the start of memory if no part lies there */
};

/* Reports a part that lies outside the persona's memory or in another part; `what` names it, as in "segment 2". room must not be 0. */
MUST_USE int wrap_add(struct wrap *w, const struct wrap_part *part, const struct kernel_place *place, const char *what, const char *label,
		      struct diag *d);
/* ret_image: malloc'd. */
MUST_USE int wrap_make(const struct wrap *w, const struct kernel_place *place, const char *label, uint8_t **ret_image, size_t *ret_len,
		       struct diag *d);

/* The image behind its header and code, in 64-bit little-endian words: the address that the image moves itself to first, its length, the
 * entry, and the device tree's address if that is moved (else 0). Then steps of three words (to, from, length), done in this order; from 0
 * is zeros, length 0 the end. */
enum {
	WRAP_RUN_AT = 0x138,
	WRAP_IMAGE_LEN = 0x140,
	WRAP_ENTRY = 0x148,
	WRAP_DTB_AT = 0x150,
	WRAP_STEPS = 0x158,
	WRAP_STEP_LEN = 24,
};

/* Kernels packed with lz4; what they unpack to is malloc'd and at most max bytes long. */
MUST_USE bool kernel_is_lz4(const uint8_t *data, size_t len);
MUST_USE int kernel_unpack_lz4(const uint8_t *in, size_t in_len, size_t max, const char *label, uint8_t **ret_out, size_t *ret_len,
			       struct diag *d);

/* The two kinds that are wrapped. A file is flat when it looks like A64 code: mvp-manifest(5) has the rule. */
MUST_USE bool kernel_is_flat(const uint8_t *data, size_t len);
MUST_USE int kernel_wrap_flat(const uint8_t *data, size_t len, const struct kernel_place *place, const char *label, uint8_t **ret_image,
			      size_t *ret_len, struct diag *d);
MUST_USE int kernel_wrap_elf(const uint8_t *data, size_t len, const struct kernel_place *place, const char *label, uint8_t **ret_image,
			     size_t *ret_len, struct diag *d);

#endif

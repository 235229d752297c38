/* Keys of the handset that are held down together, as manifests write them: "leftmeta+tab". */
#ifndef IMAGEGEN_CHORD_H
#define IMAGEGEN_CHORD_H

#include "imagegen/base/base.h"

enum { CHORD_MAX = 4 };

enum chord_error {
	CHORD_OK = 0,
	CHORD_UNKNOWN, /* no key of that name */
	CHORD_COUNT,   /* none, more than CHORD_MAX, or one twice */
	CHORD_TYPING,  /* only keys that are pressed in ordinary typing: they would be lost for it */
};

/* ret: evdev codes in the order written, 0 behind the last. ret_bad: the part that is no key's name; borrowed from text, not terminated. */
MUST_USE enum chord_error chord_parse(const char *text, uint16_t ret[CHORD_MAX], const char **ret_bad, size_t *ret_bad_len);
/* Name number i, NULL behind the last: what a mistyped one could have meant. */
const char *chord_key_name(size_t i);

#endif

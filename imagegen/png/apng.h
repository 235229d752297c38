/* Animated PNG (PNG specification, third edition, 11.3 and 4.7) from the PNG files of its frames, whose compressed data is taken as it is.
 */
#ifndef IMAGEGEN_APNG_H
#define IMAGEGEN_APNG_H

#include "imagegen/base/base.h"

struct apng; /* one animation being written; not thread-safe */

/* fd: empty, borrowed, must outlive a. label names the file in diagnostics (copied). Frames are width by height pixels. */
struct apng *apng_new(int fd, uint32_t width, uint32_t height, const char *label);
void apng_free(struct apng *a); /* without apng_end() the file is not valid */
DEFINE_FREEP(struct apng, apng_free)

/* A picture seen at a time that does not go backwards. One of another size or pixel format, one that equals the last, and what is no PNG
 * file are left out: *ret_added says. -1 if the file cannot be written. */
MUST_USE int apng_add(struct apng *a, const uint8_t *png, size_t len, uint64_t time_ms, bool *ret_added, struct diag *d);
/* The last picture was shown until then. *ret_frames 0: there was none, and nothing was written. */
MUST_USE int apng_end(struct apng *a, uint64_t time_ms, uint32_t *ret_frames, struct diag *d);

#endif

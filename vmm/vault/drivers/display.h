/* What a display controller's driver supplies: a scan-out that can be pointed at any of the screens. CPU 0 only. */
#ifndef VAULT_DRIVERS_DISPLAY_H
#define VAULT_DRIVERS_DISPLAY_H

#include "../lib.h"

/* x8r8g8b8, `stride` bytes from one line to the next. */
struct scanout {
	paddr_t at;
	uint32_t width, height, stride;
};

struct display_driver {
	const char *(*start)(void);           /* what is wrong, or NULL */
	bool (*show)(const struct scanout *); /* from the next refresh on; false, and as before, if the device refuses */
};

extern const struct display_driver ramfb_driver;

#endif

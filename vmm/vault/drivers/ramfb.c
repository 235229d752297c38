/* QEMU's ramfb: a display whose whole state is one fw_cfg file, so a change of the scan-out is one write of it. */
#include "display.h"
#include "fw_cfg.h"

#define FORMAT_XR24 0x34325258u /* DRM_FORMAT_XRGB8888 */

/* The file `etc/ramfb`; big-endian. */
struct config {
	uint32_t at_high, at_low;
	uint32_t format, flags, width, height, stride;
};
_Static_assert(sizeof(struct config) == 28, "28 bytes");

static struct fw_cfg_file file;
static struct config config __attribute__((aligned(16))); /* the device reads it */

static const char *start(void)
{
	if (!fw_cfg_find("etc/ramfb", &file))
		return "no ramfb (QEMU: -device ramfb)";
	return file.size == sizeof(config) ? NULL : "its ramfb is of another kind";
}

static bool show(const struct scanout *s)
{
	config = (struct config){
		.at_high = __builtin_bswap32((uint32_t)(s->at.v >> 32)),
		.at_low = __builtin_bswap32((uint32_t)s->at.v),
		.format = __builtin_bswap32(FORMAT_XR24),
		.width = __builtin_bswap32(s->width),
		.height = __builtin_bswap32(s->height),
		.stride = __builtin_bswap32(s->stride),
	};
	return fw_cfg_write(&file, &config, sizeof(config));
}

const struct display_driver ramfb_driver = { start, show };

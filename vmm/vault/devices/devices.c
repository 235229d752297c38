#include "devices.h"

#include "mvp/machine.h"
#include "vblk.h"
#include "vconsole.h"
#include "vdev.h"
#include "vinput.h"
#include "vnet.h"
#include "vpl011.h"
#include "vpl031.h"
#include "vrng.h"

static const struct {
	void (*plug)(const struct guest *g);
	void (*unplug)(unsigned persona);
	bool (*busy)(unsigned persona); /* NULL: never */
} models[] = {
	{ vblk_plug, vblk_unplug, vblk_busy },
	{ vinput_plug, vinput_unplug, NULL },
	{ NULL, vpl011_reset, NULL },
	{ NULL, vpl031_reset, NULL },
	{ vrng_plug, vrng_unplug, NULL },
	{ vnet_plug, vnet_unplug, NULL },
	{ vconsole_plug, vconsole_unplug, NULL },
};

void devices_plug(const struct guest *g)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++) {
		if (models[i].plug)
			models[i].plug(g);
	}
}

void devices_unplug(unsigned persona)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		models[i].unplug(persona);
}

bool devices_busy(unsigned persona)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++) {
		if (models[i].busy && models[i].busy(persona))
			return true;
	}
	return false;
}

/* Handlers get offsets. */
static const struct {
	uint64_t at, size;
	uint64_t (*read)(unsigned persona, uint32_t at, unsigned width);
	void (*write)(unsigned persona, uint32_t at, unsigned width, uint64_t value);
} ranges[] = {
	{ MVP_GUEST_VIRTIO, MVP_GUEST_VIRTIO_STRIDE *MVP_GUEST_VIRTIO_SLOTS, vdev_read, vdev_write },
	{ MVP_GUEST_UART, 0x1000, vpl011_read, vpl011_write },
	{ MVP_GUEST_RTC, 0x1000, vpl031_read, vpl031_write },
};

uint64_t devices_read(unsigned persona, uint64_t ipa, unsigned width)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (ipa >= ranges[i].at && range_in(ipa - ranges[i].at, width, ranges[i].size))
			return ranges[i].read(persona, (uint32_t)(ipa - ranges[i].at), width);
	}
	return 0;
}

void devices_write(unsigned persona, uint64_t ipa, unsigned width, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (ipa >= ranges[i].at && range_in(ipa - ranges[i].at, width, ranges[i].size)) {
			ranges[i].write(persona, (uint32_t)(ipa - ranges[i].at), width, value);
			return;
		}
	}
}

/* The board's keyboards, tablets and touch screens on virtio-input (virtio 1.2, section 5.8): up to INPUT_DEVICES of them. What they say
 * may be anything: an event is taken as it is, a name is cut and made printable, an axis without a range is no axis. CPU 0 only. */
#ifndef VAULT_DRIVERS_VIRTIO_INPUT_H
#define VAULT_DRIVERS_VIRTIO_INPUT_H

#include "../evdev.h"
#include "../lib.h"

#define INPUT_DEVICES 8

struct input_axis {
	int32_t min, max; /* max > min, or the device has no such axis */
};

struct input_info {
	char name[32];
	uint32_t intid;
	bool keys;   /* it has keys of a keyboard */
	bool multi;  /* a multi-touch screen (protocol B): x and y are those of each contact */
	bool single; /* a tablet or touch screen with one contact: ABS_X, ABS_Y, and BTN_LEFT or BTN_TOUCH */
	struct input_axis x, y;
};

/* How many there are; device is below that in what follows. Their interrupts are for the caller to enable. */
unsigned virtio_input_start(void);
const struct input_info *virtio_input_info(unsigned device);
void virtio_input_ack(unsigned device); /* at its interrupt, before what has come is taken */
/* Looks at up to max <= INPUT_BATCH buffers; returns how many events were in them. *ret_seen: how many buffers there were; if max, there
 * may be more. */
#define INPUT_BATCH 64
unsigned virtio_input_take(unsigned device, unsigned max, struct evdev_event *ret_events, unsigned *ret_seen);

#endif

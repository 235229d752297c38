/* Input events as virtio-input carries them (virtio 1.2, section 5.8) and the evdev codes that the vault itself knows the meaning of. */
#ifndef VAULT_EVDEV_H
#define VAULT_EVDEV_H

#include <stdbool.h>
#include <stdint.h>

struct evdev_event {
	uint16_t type, code;
	uint32_t value; /* little endian, like the CPU */
};

#define EVDEV_EVENT_LEN 8

enum evdev_type { EV_SYN = 0x00, EV_KEY = 0x01, EV_ABS = 0x03, EV_LED = 0x11 };

#define SYN_REPORT 0

#define KEY_CODES 0x300 /* codes of EV_KEY are below */
enum evdev_key {
	KEY_BACKSPACE = 14,
	KEY_TAB = 15,
	KEY_ENTER = 28,
	KEY_LEFTCTRL = 29,
	KEY_LEFTSHIFT = 42,
	KEY_RIGHTSHIFT = 54,
	KEY_LEFTALT = 56,
	KEY_CAPSLOCK = 58,
	KEY_KPENTER = 96,
	KEY_RIGHTCTRL = 97,
	KEY_RIGHTALT = 100,
	BTN_LEFT = 0x110,
	BTN_TOUCH = 0x14a,
};

struct key_set {
	uint64_t words[KEY_CODES / 64];
};

static inline bool key_get(const struct key_set *s, unsigned code)
{
	return s->words[code / 64] >> (code % 64) & 1;
}

static inline void key_set(struct key_set *s, unsigned code, bool on)
{
	uint64_t bit = 1ull << (code % 64);
	s->words[code / 64] = on ? s->words[code / 64] | bit : s->words[code / 64] & ~bit;
}

enum evdev_abs {
	ABS_X = 0x00,
	ABS_Y = 0x01,
	ABS_MT_SLOT = 0x2f,
	ABS_MT_POSITION_X = 0x35,
	ABS_MT_POSITION_Y = 0x36,
	ABS_MT_TRACKING_ID = 0x39,
};

#define LED_CAPSL 1

#define INPUT_PROP_DIRECT 1

/* Selectors of a virtio-input device's configuration: select and subsel are its first two bytes, then the size of the answer, which is at
 * VIRTIO_INPUT_CONFIG_DATA (section 5.8.2). */
enum virtio_input_select {
	VIRTIO_INPUT_ID_NAME = 0x01,
	VIRTIO_INPUT_ID_DEVIDS = 0x03,
	VIRTIO_INPUT_PROP_BITS = 0x10,
	VIRTIO_INPUT_EV_BITS = 0x11,
	VIRTIO_INPUT_ABS_INFO = 0x12,
};
#define VIRTIO_INPUT_CONFIG_SIZE 2
#define VIRTIO_INPUT_CONFIG_DATA 8
#define VIRTIO_INPUT_DATA_MAX 128

#endif

/* Which of two slots a bootloader starts, and how often it still tries: the record that Android's bootloaders and systems share in the
 * partition `misc` (AOSP hardware/interfaces/boot, bootloader_control; U-Boot's ab_select). Integers little endian. */
#ifndef MVP_SLOTS_H
#define MVP_SLOTS_H

#include <stdint.h>

#define MVP_MISC_PARTITION "misc"
#define MVP_SLOTS_AT 2048 /* bytes into the partition */
#define MVP_SLOTS_MAGIC 0x42414342u
#define MVP_SLOTS_VERSION 1
#define MVP_SLOTS_MAX 4

/* Bits of a slot. */
#define MVP_SLOT_PRIORITY 0x000f /* 15 is tried first; 0: never */
#define MVP_SLOT_TRIES 0x0070    /* boots that are left until one is successful */
#define MVP_SLOT_TRIES_SHIFT 4
#define MVP_SLOT_SUCCESSFUL 0x0080

struct mvp_slots {
	uint8_t suffix[4]; /* of the slot that was started: "_a" */
	uint32_t magic;
	uint8_t version;
	uint8_t count; /* bits 0 to 2; the others are recovery's */
	uint8_t reserved[2];
	uint16_t slot[MVP_SLOTS_MAX];
	uint8_t reserved_2[8];
	uint32_t checksum; /* CRC-32 (as GPT's) of all before it */
};

_Static_assert(sizeof(struct mvp_slots) == 32, "layout of the slots' record");

#endif

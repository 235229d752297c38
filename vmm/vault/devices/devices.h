/* The devices of the machine a persona sees (mvp/machine.h), as one: accesses, and what its start and end do to them. */
#ifndef VAULT_DEVICES_H
#define VAULT_DEVICES_H

#include "../disk.h"
#include "ring.h"

/* What a device model may know of the persona it serves. */
struct guest {
	unsigned persona;
	const struct mvp_vault_persona *config;
	const struct view *disk; /* valid as long as the persona runs */
	const struct ram *ram;
};

void devices_plug(const struct guest *g); /* before the persona starts, and while it does not run: as after power-on */
void devices_unplug(unsigned persona);    /* it ended: nothing new is begun for it */
bool devices_busy(unsigned persona);      /* something begun for it may still touch its RAM */

/* An access in [MVP_GUEST_IO, MVP_GUEST_IO_END). What is nobody's reads 0 and ignores writes. width: 1, 2, 4 or 8 bytes. */
uint64_t devices_read(unsigned persona, uint64_t ipa, unsigned width);
void devices_write(unsigned persona, uint64_t ipa, unsigned width, uint64_t value);

#endif

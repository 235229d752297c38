/* A persona's UART: the model of an Arm PL011 r1p5 (DDI 0183). Its output goes to the console, its input comes from there. */
#ifndef VAULT_VPL011_H
#define VAULT_VPL011_H

#include "../lib.h"

void vpl011_reset(unsigned persona); /* drops input that was not read */

uint64_t vpl011_read(unsigned persona, uint32_t at, unsigned width);
void vpl011_write(unsigned persona, uint32_t at, unsigned width, uint64_t value);

/* Gives input; false, and nothing taken, if there is no room for all of it. */
bool vpl011_receive(unsigned persona, const uint8_t *data, size_t len);

/* The console has room again: a persona that was held up may transmit. */
void vpl011_room(unsigned persona);

#endif

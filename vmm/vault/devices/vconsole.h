/* A persona's console device with named ports: virtio-console (virtio 1.2, section 5.3).
 *     0  org.mvp.console   a console of the persona; what is written goes to the handset's console as what is written to its UART does.
 *                          From the first such write on, until the device is reset, the input for the persona comes here, not to the UART
 *     1  org.mvp.control   control.h
 *     2  org.mvp.notify    notify.h */
#ifndef VAULT_VCONSOLE_H
#define VAULT_VCONSOLE_H

#include "devices.h"

void vconsole_plug(const struct guest *g);
void vconsole_unplug(unsigned persona);
void vconsole_tick(void); /* at MVP_EV_TIMER, any CPU */

/* For the handset's console, as vpl011.h's: whether the persona's input comes here; giving it; there is room for output again. */
bool vconsole_has_input(unsigned persona);
bool vconsole_receive(unsigned persona, const uint8_t *data, size_t len);
void vconsole_room(unsigned persona);

#endif

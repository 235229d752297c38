/* A persona's keyboard and touch screen: two virtio-input devices (virtio 1.2, section 5.8), the same whatever the board has. They remember
 * what they have told the persona, so that everything pressed is released once: later, if it gives no buffers now. A report is delivered
 * whole or not at all. */
#ifndef VAULT_DEVICES_VINPUT_H
#define VAULT_DEVICES_VINPUT_H

#include "devices.h"

#define VINPUT_KEYS 249 /* its keyboard has the evdev codes 1 to this - 1 */
#define VINPUT_CONTACTS 10

void vinput_plug(const struct guest *g);
void vinput_unplug(unsigned persona);

/* Changes, collected until vinput_report(), which is SYN_REPORT. A persona that has no driver running loses them, and a press for which it
 * has no buffer. A contact lands or leaves once between reports; one in the place of another whose end is not reported waits. x and y are
 * pixels of the frame. CPU 0. */
void vinput_key(unsigned persona, unsigned code, bool down);
void vinput_touch(unsigned persona, unsigned contact, uint32_t x, uint32_t y); /* touches, or has moved */
void vinput_lift(unsigned persona, unsigned contact);
void vinput_report(unsigned persona);
/* What was not reported yet is dropped, everything held is released and reported. */
void vinput_release(unsigned persona);

#endif

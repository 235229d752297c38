/* mvp-agent desktop: the process that takes part in a user's session bus, as that user. It shows the other side's alerts with
 * org.freedesktop.Notifications (Desktop Notifications Specification 1.2), and listens as a monitor to what the session's programs show,
 * which goes to the other side. Its standard input is a socket of packets to the agent:
 *
 *     from the agent                         to the agent
 *     H EPOCH NAME   epoch, the other side   A ID            ready: the alerts behind this one
 *     I ITEM         one of its alerts       P KEY LF ITEM   an alert of a program
 *     C ID           that alert is gone      W KEY           it was closed
 *     K KEY          one of this side was    d ID, o ID      the user dismissed, wants to see an alert of the other side
 *                    dismissed over there
 *
 * The letter and what follows stand together; an item is bytes, the rest text. */
#ifndef GUEST_AGENT_DESKTOP_H
#define GUEST_AGENT_DESKTOP_H

#include "item.h"

#define DESKTOP_PACKET_MAX 10000u
#define DESKTOP_KEY_PREFIX "bus-" /* of the names that alerts of programs have */

int desktop_run(const char *bus_path); /* until the agent or the bus is gone; returns an exit status */

/* Text with the markup that bodies may have (section "Markup"), and without; both are cut to size. */
void desktop_escape(char *ret, size_t size, const char *text);
void desktop_strip(char *ret, size_t size, const char *markup);

#endif

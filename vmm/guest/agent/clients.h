/* The agent's socket: what other programs ask of it. A request is one packet, and so is its answer; an answer that begins with '!' says
 * what is wrong. Texts end where the packet ends.
 *
 *     status                 text to be shown
 *     poll                   looks for orders now
 *     look                   something was put into the folder of what is to be sent
 *     post KEY LF ITEM       an item of mvp/notify.h to be sent; KEY: the sender's name for it, may be empty
 *     withdraw KEY           the alerts that were posted under this name
 *     dismiss ID, open ID    an alert of the other side
 *     subscribe              "ok PERSONA OTHER", then each item that is there and that comes, a packet each, until either hangs up */
#ifndef GUEST_AGENT_CLIENTS_H
#define GUEST_AGENT_CLIENTS_H

#include <poll.h>

#include "alerts.h"
#include "control.h"
#include "orders.h"

#define CLIENTS_MAX 12u
#define CLIENTS_PACKET_MAX 16384u

/* What requests are about; must outlive the clients. False with a log line. */
bool clients_start(const char *socket_path, struct control *control, struct alerts *alerts, struct orders *orders);
void clients_stop(void);
/* Fills CLIENTS_MAX + 1 places; clients_turn() gets them back after poll(). */
void clients_poll(struct pollfd *fds);
void clients_turn(const struct pollfd *fds);

void clients_answered(uint32_t tag, const char *line); /* the control port's line, or NULL: there will be none */
void clients_came(const struct item *i);               /* for those who subscribed */

#endif
